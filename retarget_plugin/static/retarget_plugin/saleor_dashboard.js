/* Our page in the frame of Saleor's dashboard. The dashboard hands over a token by postMessage; every call carries it. */

(() => {
  "use strict";

  const page = document.querySelector("main");
  const { dashboard, report } = page.dataset;
  const notices = [...page.querySelectorAll("[data-when]")];
  let token = "";
  let choice = "";
  let count = 0;

  const say = (type) =>
    window.parent.postMessage({ type, payload: { actionId: `retarget-${++count}` } }, dashboard);

  const show = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  };

  const notice = (when) => {
    const found = notices.find((each) => each.dataset.when === String(when)) ?? notices.at(-1);
    for (const each of notices) each.hidden = each !== found;
    page.replaceChildren(...notices);
  };

  const call = async (url, body) => {
    page.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url + choice, {
        method: body ? "POST" : "GET",
        headers: { Authorization: `Bearer ${token}` },
        credentials: "omit",
        body,
      });
      // 409: a flow could not be turned on, and the page says why.
      if (answer.ok || answer.status === 409) page.innerHTML = await answer.text();
      else notice(answer.status);
    } catch {
      notice("failed");
    } finally {
      page.setAttribute("aria-busy", "false");
    }
  };

  window.addEventListener("message", ({ origin, source, data }) => {
    // Anybody may post to a window. Only the dashboard that this page was made for is listened to.
    if (origin !== dashboard || source !== window.parent || !data?.payload) return;
    const { type, payload } = data;
    if (type === "theme") show(payload.theme);
    if ((type === "handshake" || type === "tokenRefresh") && typeof payload.token === "string") {
      const isFirst = !token;
      token = payload.token;
      if (isFirst) call(report);
    }
  });

  page.addEventListener("change", ({ target }) => {
    if (!target.form) return;
    choice = `?${new URLSearchParams(new FormData(target.form))}`;
    call(report);
  });

  page.addEventListener("click", async ({ target }) => {
    const { post, state } = target.closest("[data-post]")?.dataset ?? {};
    if (!post) return;
    await call(post, new URLSearchParams({ state }));
    page.querySelector(`[data-post="${post}"]`)?.focus();
  });

  show(new URLSearchParams(window.location.search).get("theme"));
  say("notifyReady");
})();

/* What visitors look at, and lead forms. README, "Storefront script", is its manual.
   Until retarget.consent() allows it, nothing is kept on the device and no request says whose it is. */
(() => {
  "use strict";

  const script = document.currentScript;
  const KEY = "retarget";
  const DAY = 864e5;
  const complain = (error) => console.debug("retarget:", error);

  // An error of ours is never one of the shop's page.
  const safely = (act) => (...given) => {
    try {
      return act(...given);
    } catch (error) {
      complain(error);
    }
  };
  const on = (target, name, act, options) => target.addEventListener(name, safely(act), options);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const url = (path) => new URL(path, script.src);

  // -- consent; it and when each form was seen are on the device only while tracking is granted

  const objects = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  let grant = {};
  let seen = {};

  const remember = safely(() =>
    grant.tracking ? localStorage.setItem(KEY, JSON.stringify({ grant, seen })) : localStorage.removeItem(KEY));

  const recall = safely(() => {
    ({ grant, seen } = JSON.parse(localStorage.getItem(KEY)) || { grant, seen });
    if (grant.tracking && objects) withdraw();
  });

  const consent = (given) => {
    const before = JSON.stringify(grant);
    const next = { wording: given.wording || script.dataset.wording || "", source: given.source || "api" };
    for (const name of ["tracking", "ads", "measurement"]) next[name] = !objects && !!(given[name] ?? grant[name]);
    if (grant.tracking && !next.tracking) withdraw();
    grant = next;
    remember();
    untold.splice(0).forEach(tell);
    if (!grant.tracking || JSON.stringify(grant) === before) return;
    track("consent");
    flush();
  };

  const withdraw = () => {
    grant = {};
    queue.length = 0;
    remember();
    post({ v: 1, withdraw: true }, true);
  };

  // Google's Consent Mode: "default" is what a shop assumes, only "update" is what somebody chose.
  const signals = {};
  const listen = (entry) => {
    if (entry?.[0] !== "consent" || entry[1] !== "update") return;
    Object.assign(signals, entry[2]);
    const says = (name) => signals[name] && signals[name] === "granted";
    const tracking = says("analytics_storage");
    consent({ tracking, measurement: tracking, ads: says("ad_storage") && says("ad_user_data"), source: "consent_mode" });
  };

  // -- events: sent together; before a grant only once, on leaving, and by nobody

  const queue = [];
  const untold = [];
  let timer;

  const post = (data, isKnown) => {
    const body = JSON.stringify(data);
    if (isKnown && navigator.sendBeacon?.(url("t"), body)) return;
    const credentials = isKnown ? "same-origin" : "omit";
    fetch(url("t"), { method: "POST", body, credentials, keepalive: true, referrerPolicy: "origin" }).catch(complain);
  };

  const flush = () => {
    timer = clearTimeout(timer);
    const isKnown = !!grant.tracking;
    const page = { path: location.pathname };
    // Read once, so that of two events of one moment neither is the older.
    const now = Date.now();
    if (isKnown) {
      page.title = document.title.slice(0, 200);
      page.ref = document.referrer && new URL(document.referrer).hostname;
    }
    while (queue.length) {
      const events = queue.splice(0, 10).map(({ at, ...event }) => {
        if (isKnown) event.i = Math.random().toString(36).slice(2);
        return { ...event, a: now - at };
      });
      post({ v: 1, grant: isKnown ? grant : null, page, events }, isKnown);
    }
  };

  const track = (name = "", { items, value, currency, topic, q, ...more } = {}) => {
    if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) throw name;
    const lines = items?.slice(0, 20).map(({ item_id, item_name, item_category, price, quantity }) =>
      ({ item_id, item_name, item_category, price: +price, quantity: parseInt(quantity) || 1 }));
    queue.push({ n: name, items: lines, value: +value, currency, topic, q, at: Date.now() });
    queue.splice(0, queue.length - 100);
    if (items && name !== "form_shown") tell({ event: name, ecommerce: { currency, value, items, ...more } });
    if (grant.tracking) timer ||= setTimeout(safely(flush), 1000);
  };

  // To the page's own tags, once there is a grant.
  const tell = (event) => {
    if (!grant.ads) untold.push(event);
    else if (script.dataset.layer !== "off") dataLayer.push({ ecommerce: null }, event);
  };

  const about = (item) => ({
    items: [item],
    value: item.price && item.price * (item.quantity || 1),
    currency: item.currency || script.dataset.currency,
  });
  const product = (item) => track("view_item", about(item));

  // data-retarget-event: on a form when it is sent, on a link or button when it is pressed, elsewhere at once.
  const MOMENTS = { FORM: "submit", A: "click", BUTTON: "click" };
  const declare = ({ type, target }) => {
    const element = target.closest("[data-retarget-event]");
    if (!element || MOMENTS[element.tagName] !== type) return;
    const { retargetEvent, retargetProps = "{}" } = element.dataset;
    const owner = element.closest("[data-retarget-product]");
    track(retargetEvent, { ...(owner && about(JSON.parse(owner.dataset.retargetProduct))), ...JSON.parse(retargetProps) });
  };

  const article = document.querySelector("[data-retarget-topic]");
  const topic = article?.dataset.retargetTopic || "";

  const look = () => {
    track("page_view", { topic });
    const products = all("[data-retarget-product]:not([data-retarget-event])");
    products.forEach(safely((element) => product(JSON.parse(element.dataset.retargetProduct))));
    all("[data-retarget-event]").forEach(safely((target) => declare({ target })));
    if (topic) setTimeout(() => document.hidden || track("read_post", { topic }), 15000);
  };

  // -- lead forms, in shadow roots: the page's styles and ours leave each other alone

  let words;
  let isShown = false;

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value || value === "") element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child));
    return element;
  };

  const problem = (name) => make("p", { class: "problem", id: name + "-problem", role: "alert" });
  const ask = (tag, facts, ...children) => make(tag, { ...facts, "aria-describedby": facts.name + "-problem" }, ...children);
  const tick = ({ label, ...facts }) =>
    make("label", { class: "tick" }, ask("input", { type: "checkbox", ...facts }), make("span", {}, label));
  const option = ({ value, label }) => make("option", { value }, label);
  const field = ({ type, label, options, ...facts }) => {
    const { name } = facts;
    if (type === "choices") {
      const boxes = options.map((one) => tick({ name, ...one }));
      return make("fieldset", {}, make("legend", {}, label), ...boxes, problem(name));
    }
    Object.assign(facts, { id: name, autocomplete: name === "first_name" ? "given-name" : type });
    const input = type === "choice"
      ? ask("select", facts, option({ value: "" }), ...options.map(option))
      : ask("input", { type, ...facts });
    return make("div", { class: "field" }, make("label", { for: name }, label), input, problem(name));
  };
  const box = ({ name, label, required }) =>
    make("div", { class: "wide" }, tick({ name, label, required }), problem(name));

  const show = (form, kind, place) => {
    const isPopup = kind === "popup";
    const close = (isPopup || kind === "bar")
      && make("button", { type: "button", class: "close", "aria-label": words.close }, "×");
    const inputs = make("form", { novalidate: true }, ...form.fields.map(field), ...form.consents.map(box),
      make("input", { name: "website", class: "trap", tabindex: "-1" }),
      make("button", { class: "send" }, form.button), problem("form"));
    const title = make("h2", { id: "title", tabindex: "-1", autofocus: isPopup }, form.title);
    const body = make("div", { class: "body" }, make("div", {}, title, form.text && make("p", {}, form.text)), inputs);
    const facts = { class: kind, "aria-labelledby": "title", lang: form.language };
    const frame = make(isPopup ? "dialog" : "section", facts, body, close);

    const host = place.appendChild(make("div", {}));
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(frame);

    on(inputs, "submit", (event) => {
      event.preventDefault();
      send(form, inputs).then((message) => message && thank(body, message));
    });
    const leave = () => (isPopup ? frame.close() : host.remove());
    if (close) {
      on(close, "click", leave);
      on(frame, "keydown", ({ key }) => key === "Escape" && leave());
      see(form.slug, 0);
    }
    if (isPopup) {
      // While it is open the rest of the page is out of reach; then the focus goes back to where it was.
      on(frame, "close", () => host.remove());
      on(frame, "click", ({ target }) => target === frame && leave());
      frame.showModal();
    }
    track("form_shown", { topic, items: [{ item_id: form.slug }] });
  };

  const send = async (form, inputs) => {
    const data = new URLSearchParams(new FormData(inputs));
    data.set("page", location.pathname);
    data.set("language", form.language);
    const button = inputs.querySelector(".send");
    button.disabled = true;
    try {
      const credentials = grant.tracking ? "same-origin" : "omit";
      const answer = await fetch(url(`forms/${form.slug}/`), { method: "POST", body: data, credentials });
      const { ok, message, errors } = await answer.json();
      if (!ok) return mark(inputs, errors);
      see(form.slug, 365);
      return message;
    } catch (error) {
      complain(error);
      mark(inputs, { form: words.failed });
    } finally {
      button.disabled = false;
    }
  };

  const mark = (inputs, errors) => {
    inputs.querySelectorAll(".problem").forEach((place) => {
      const name = place.id.slice(0, -8);
      place.textContent = errors[name] || "";
      inputs.querySelector(`[name="${name}"]`)?.setAttribute("aria-invalid", !!errors[name]);
    });
    inputs.querySelector("[aria-invalid=true]")?.focus();
  };

  const thank = (body, message) => {
    const note = make("p", { class: "done", role: "status", tabindex: "-1" }, message);
    body.replaceChildren(note);
    note.focus();
  };

  // A form that was seen rests for its `every_days`; one that was filled in, for a year more.
  const see = (slug, days) => {
    seen[slug] = Date.now() + days * DAY;
    remember();
  };

  // -- where and when a form is shown: one that floats a page, and never while somebody types

  const wait = (form) => {
    const { after_seconds, scroll_percent, on_exit, devices, every_days } = form.show;
    if (devices === (matchMedia("(max-width: 767px)").matches ? "desktop" : "phone")) return;
    if (Date.now() < (seen[form.slug] || 0) + every_days * DAY) return;

    const open = () => {
      if (isShown) return;
      const { activeElement } = document;
      if (activeElement.shadowRoot || activeElement.matches(":read-write, select")) return setTimeout(safely(open), 3000);
      isShown = true;
      show(form, form.kind, document.body);
    };
    if (after_seconds !== null) setTimeout(safely(open), after_seconds * 1000);
    if (on_exit) on(document.documentElement, "mouseleave", ({ clientY }) => clientY <= 0 && open());

    let deepest = 0;
    on(window, "scroll", () => {
      deepest = Math.max(deepest, scrollY);
      const percent = ((scrollY + innerHeight) / document.documentElement.scrollHeight) * 100;
      if (scroll_percent !== null && percent >= scroll_percent) open();
      // A finger does not leave the window: going back up is what leaving looks like.
      if (on_exit && matchMedia("(hover: none)").matches && deepest - scrollY > innerHeight / 2) open();
    }, { passive: true });
  };

  const place = (form) => {
    if (form.kind === "popup" || form.kind === "bar") return wait(form);
    const slots = all("[data-retarget-form]").filter((slot) => !slot.childElementCount);
    const slot = slots.find(({ dataset }) => dataset.retargetForm === form.slug)
      || slots.find(({ dataset }) => !dataset.retargetForm)
      || (form.kind === "upgrade" && article);
    if (slot) show(form, form.kind, slot);
  };

  const load = async () => {
    const query = new URLSearchParams({ path: location.pathname, topic, language: document.documentElement.lang });
    const answer = await (await fetch(url("forms/?" + query), { credentials: "omit" })).json();
    words = answer.words;
    answer.forms.forEach(safely(place));
    return answer.forms;
  };

  const form = (slug) => forms.then((found) => {
    const wanted = found.find((one) => one.slug === slug);
    if (wanted) show(wanted, wanted.kind === "bar" ? "bar" : "popup", document.body);
  }).catch(complain);

  const STYLE = `
* { box-sizing: border-box }
section { position: relative }
dialog, section { padding: 0; border: 0; text-align: start;
  --ink: var(--retarget-ink, #1d1b18); --paper: var(--retarget-paper, #fff); --press: var(--retarget-accent, var(--ink));
  color: var(--ink); background: var(--paper); border-radius: var(--retarget-radius, 16px);
  font-size: 16px; line-height: 1.5 }
.body { display: grid; gap: 20px; padding: 28px }
.popup { width: min(440px, 100%); max-width: none; margin: auto }
.popup::backdrop { background: #1d1b1899 }
.inline, .upgrade { margin: 24px 0; box-shadow: 0 0 0 1px #0002 }
.upgrade { border-inline-start: 4px solid var(--press); border-start-start-radius: 0; border-end-start-radius: 0 }
.bar { position: fixed; z-index: 9999; inset: auto 12px 12px; max-width: 1080px; margin: auto;
  box-shadow: 0 8px 40px #0005 }
.popup, .bar { animation: fade .2s }
@keyframes fade { from { opacity: 0 } }
h2 { margin: 0; padding-inline-end: 32px; font: inherit; font-size: 24px; line-height: 1.2; font-weight: 600; outline: 0 }
.bar h2 { font-size: 18px }
p { margin: 4px 0 0; opacity: .8 }
form { display: flex; flex-wrap: wrap; gap: 14px }
.field { flex: 1 1 200px }
.wide, fieldset, .popup .field, #form-problem { flex-basis: 100% }
fieldset, legend { margin: 0; padding: 0; border: 0 }
label, legend { display: block; font-size: 15px; font-weight: 600 }
input, select, button { font: inherit; color: inherit }
.field :is(input, select) { width: 100%; height: 48px; margin-top: 4px; padding: 0 14px; border: 1px solid #8c867b;
  border-radius: 10px; background: none }
[aria-invalid=true] { border-color: #b3261e !important; outline-color: #b3261e !important }
.tick { display: flex; gap: 10px; margin-top: 4px; font-weight: 400; line-height: 1.4 }
.tick input { flex: none; width: 20px; height: 20px; margin: 0; accent-color: var(--press) }
button { border: 0; cursor: pointer; border-radius: 99px; background: none }
.send { flex: 1 0 auto; height: 48px; margin-top: auto; padding: 0 24px; background: var(--press);
  color: var(--retarget-accent-ink, #fff); font-weight: 600 }
.close { position: absolute; inset-block-start: 8px; inset-inline-end: 8px; width: 44px; height: 44px; font-size: 26px }
:is(input, select, button):focus-visible { outline: 3px solid #1f5fd6; outline-offset: 2px }
.problem { color: #b3261e; font-size: 14px; opacity: 1 }
.trap, .problem:empty { display: none }
.done { margin: 0; padding-inline-end: 32px; font-size: 18px; opacity: 1; outline: 0 }
@media (min-width: 768px) {
  :is(.bar, .inline) .body { grid-template-columns: 1fr 1fr; align-items: center }
  .bar .body { padding-inline-end: 64px }
}
@media (max-width: 767px) {
  .popup { margin-block-end: 0; border-end-start-radius: 0; border-end-end-radius: 0 }
  .body { padding: 20px }
}`;

  // -- start

  const api = { consent, withdraw, track, product, form };
  for (const name in api) api[name] = safely(api[name]);
  api.push = safely(([name, ...given]) => api[name](...given));

  recall();
  const dataLayer = (window.dataLayer ||= []);
  const push = dataLayer.push;
  dataLayer.push = (...entries) => {
    entries.forEach(safely(listen));
    return push.apply(dataLayer, entries);
  };
  dataLayer.forEach(safely(listen));
  safely(look)();
  const forms = load().catch((error) => complain(error) || []);

  on(document, "submit", declare, true);
  on(document, "click", declare, true);
  on(document, "visibilitychange", () => document.hidden && flush());
  on(window, "pagehide", flush);
  on(window, "pageshow", ({ persisted }) => persisted && look());

  const early = window.retarget || [];
  window.retarget = api;
  early.forEach(api.push);
})();

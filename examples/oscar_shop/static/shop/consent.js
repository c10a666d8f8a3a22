/* The shop's consent banner: asks once, remembers the answer, and hands it to the storefront script. */
(() => {
  "use strict";

  const KEY = "lumen-consent";
  const banner = document.getElementById("consent");
  const retarget = (...call) => (window.retarget = window.retarget || []).push(call);

  const tell = (answer) => {
    const yes = answer === "yes";
    retarget("consent", { tracking: yes, measurement: yes, ads: false, source: "banner" });
  };

  const answer = localStorage.getItem(KEY);
  if (answer) tell(answer);
  banner.hidden = Boolean(answer);

  banner.addEventListener("click", ({ target }) => {
    if (!target.value) return;
    localStorage.setItem(KEY, target.value);
    tell(target.value);
    banner.hidden = true;
  });
  document.getElementById("consent-again").addEventListener("click", () => {
    banner.hidden = false;
    banner.querySelector("button").focus();
  });
})();

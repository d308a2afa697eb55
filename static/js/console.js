/* What HTML cannot do. Everything works without it; with it, running things move and forms answer at once. */
(() => {
  "use strict";

  /* Fragments that carry data-poll="seconds" ask for themselves again; one that is finished carries none. */
  const POLL = "[data-poll]";
  let last = new WeakMap();
  const pollAll = () => {
    if (document.hidden || typeof htmx === "undefined") return;
    document.querySelectorAll(POLL).forEach((part) => {
      const now = Date.now();
      if (!last.has(part)) last.set(part, now);
      if (now - last.get(part) < Number(part.dataset.poll) * 1000 - 100) return;
      if (part.querySelector("details[open], :popover-open")) return;
      last.set(part, now);
      htmx.trigger(part, "poll");
    });
  };
  setInterval(pollAll, 500);
  /* The server is told, because a page that asks by itself does not keep anybody signed in. */
  document.addEventListener("htmx:configRequest", (event) => {
    const cause = event.detail.triggeringEvent;
    if (cause && cause.type === "poll") event.detail.headers["X-Poll"] = "1";
  });
  document.addEventListener("visibilitychange", () => { last = new WeakMap(); });

  /* The reader's menu closes by Escape and by a click elsewhere. */
  const closeMenus = (except) => document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(except)) menu.open = false;
  });
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details[data-menu][open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });

  /* <textarea data-count="#id">: how many characters of how many. */
  const count = (area) => {
    const target = document.querySelector(area.dataset.count);
    if (target) target.textContent = [...area.value].length.toLocaleString(document.documentElement.lang);
  };
  document.addEventListener("input", (event) => { if (event.target.matches("[data-count]")) count(event.target); });
  document.querySelectorAll("[data-count]").forEach(count);

  /* <button data-fill="name" data-value="...">: presets that fill inputs of the same form. */
  document.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-fill]");
    if (!preset) return;
    const values = JSON.parse(preset.dataset.fill);
    Object.entries(values).forEach(([name, value]) => {
      const input = preset.form.elements[name];
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
  });

  /* <button data-copy="#id" data-done="Copied" hidden>: shown where it can work; the text stays to be copied by hand. */
  document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.querySelector("span").textContent = button.dataset.done;
  });

  /* The first wrong field gets the focus, so that the keyboard is where the trouble is. */
  const wrong = document.querySelector("[aria-invalid='true']");
  if (wrong) wrong.focus();

  /* Keys: "/" to search, "g" then a letter to go, "n" for a new one. Not while something is being typed. */
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  const press = (selector) => { const found = document.querySelector(selector); if (found) { found.focus(); found.click(); } };
  let went = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "g") {
      went = Date.now();
    } else if (Date.now() - went < 1500 && "dcmeswt".includes(event.key)) {
      went = 0;
      press(`[data-key="g${event.key}"]`);
    } else if (event.key === "n") {
      press("[data-key='n']");
    }
  });
})();

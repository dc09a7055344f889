// What the pages do beyond plain forms: times in the reader's own zone, changes as they happen, cases by single keys.
// Every page works without this file.
"use strict";

const announce = (text) => {
  const line = document.getElementById("announce");
  line.textContent = text;
  line.className = text ? "toast" : "unseen";
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => { line.textContent = ""; line.className = "unseen"; }, 9000);
};

const localTimes = (root) => {
  const form = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!isNaN(moment)) time.textContent = form.format(moment);
  }
};

const read = async (response) => new DOMParser().parseFromString(await response.text(), "text/html");

// Changes -----------------------------------------------------------------------------------------------------------

// Whether somebody is in the middle of something here, which must not be taken out of their hands.
const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")
  || [...part.querySelectorAll("textarea, input[type=text]")].some((field) => field.value !== field.defaultValue);

const renew = (part, fresh) => {
  if (part.isEqualNode(fresh)) return;
  if (busy(part)) {
    for (const inner of part.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector("#" + CSS.escape(inner.id));
      if (other && !busy(inner)) inner.replaceWith(document.importNode(other, true));
    }
    return;
  }
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const held = part.contains(document.activeElement) ? document.activeElement.id : "";
  const copy = document.importNode(fresh, true);
  copy.querySelectorAll("details").forEach((details, place) => { if (open[place]) details.open = true; });
  localTimes(copy);
  part.replaceWith(copy);
  if (held) document.getElementById(held)?.focus();
};

const refresh = async () => {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (response.redirected && new URL(response.url).pathname === "/login") return location.assign("/login");
  if (!response.ok) return;
  const page = await read(response);
  for (const part of document.querySelectorAll("[data-live]")) {
    if (part.parentElement.closest("[data-live]")) continue;
    const fresh = page.getElementById(part.id);
    if (fresh) renew(part, fresh); else part.replaceChildren();
  }
  // A part that was not there before comes in after its neighbour.
  let before = null;
  for (const fresh of page.querySelectorAll("main > [data-live]")) {
    if (!document.getElementById(fresh.id) && before) before.after(document.importNode(fresh, true));
    before = document.getElementById(fresh.id);
  }
};

let lines = null;
let soon = 0;
const listen = () => {
  const shown = document.querySelector("main")?.dataset.refresh;
  lines?.close();
  lines = null;
  if (!document.querySelector("header nav") || document.hidden) return;
  lines = new EventSource("/events");
  lines.onmessage = (event) => {
    const change = JSON.parse(event.data);
    if (change.text) announce(change.text);
    if (shown !== "*" && shown !== change.release) return;
    clearTimeout(soon);
    soon = setTimeout(() => refresh().catch(() => {}), 150);
  };
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && document.querySelector("[data-live]")) refresh().catch(() => {});
  listen();
});

// Review ------------------------------------------------------------------------------------------------------------

let sending = false;
const show = (page, address) => {
  document.title = page.title;
  document.querySelector("main").replaceWith(document.importNode(page.querySelector("main"), true));
  history.pushState(null, "", address);
  localTimes(document);
  scrollTo(0, 0);
  const heading = document.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
};
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id !== "judge") return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const page = await read(response);
    if (!page.querySelector("main")) throw new Error("no page");
    show(page, response.url);
  } catch {
    location.reload();
  } finally {
    sending = false;
  }
});
addEventListener("popstate", () => location.reload());

document.addEventListener("keydown", (event) => {
  const form = document.getElementById("judge");
  if (!form?.hasAttribute("data-keys") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const button = form.querySelector(`button[data-key="${CSS.escape(key)}"]`);
  const way = { arrowleft: "a[rel=prev]", arrowright: "a[rel=next]" }[key];
  const field = { l: "#label", c: "#case-talk textarea" }[key];
  if (button) button.click();
  else if (way) document.querySelector(way)?.click();
  else if (field) {
    const target = document.querySelector(field);
    if (target) { target.closest("details").open = true; target.focus(); }
  } else return;
  event.preventDefault();
});

// What a page begins with saying is read by no screen reader, unless it has the focus.
const told = document.querySelector("main > .notice:not(.away), main [role=alert]");
if (told) {
  told.tabIndex = -1;
  told.focus({ preventScroll: told.matches(".notice") });
}

localTimes(document);
listen();

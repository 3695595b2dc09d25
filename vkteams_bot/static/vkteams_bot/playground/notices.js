// Toasts, alerts and what a screen reader is told.

import { byId, el, icon, safeUrl } from "./dom.js";
import { t } from "./i18n.js";

const TOAST_MS = 5000;
const TOASTS = 3;

/** `kind`: info or error. `url` adds a link to it. */
export function toast(text, { kind = "info", url = null } = {}) {
  const box = byId("toasts");
  const address = safeUrl(url);
  const node = el(
    "div",
    { class: `toast toast-${kind}`, role: kind === "error" ? "alert" : "status" },
    text ? el("span", { class: "toast-text" }, text) : null,
    address ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, t("Open %(host)s", { host: new URL(address).host })) : null,
  );
  const close = el("button", { type: "button", class: "icon-button small", "aria-label": t("Close") }, icon("close"));
  const leave = () => {
    node.classList.add("leaving");
    setTimeout(() => node.remove(), 200);
  };
  close.addEventListener("click", leave);
  node.append(close);
  box.append(node);
  while (box.children.length > TOASTS) box.firstElementChild.remove();
  let timer = setTimeout(leave, TOAST_MS);
  node.addEventListener("pointerenter", () => clearTimeout(timer));
  node.addEventListener("pointerleave", () => {
    timer = setTimeout(leave, TOAST_MS);
  });
}

const alerts = [];

/** An alert box; several wait for each other. */
export function showAlert(title, text, url = null) {
  alerts.push({ title, text, url });
  if (alerts.length === 1) nextAlert();
}

function nextAlert() {
  const [current] = alerts;
  if (!current) return;
  const dialog = byId("alert");
  const address = safeUrl(current.url);
  byId("alert-title").textContent = current.title;
  byId("alert-text").textContent = current.text;
  const link = byId("alert-link");
  link.hidden = address === null;
  if (address) {
    link.href = address;
    link.textContent = t("Open %(host)s", { host: new URL(address).host });
  }
  const done = () => {
    dialog.removeEventListener("close", done);
    alerts.shift();
    nextAlert();
  };
  dialog.addEventListener("close", done);
  dialog.showModal();
}

/** The answer to a pressed button, as the messenger shows it. */
export function showAnswer({ text, showAlert: alert, url }, title) {
  const address = safeUrl(url);
  // Browsers open a tab only soon after a click; later it takes a click on the toast.
  const opens = address !== null && navigator.userActivation?.isActive === true;
  if (opens) window.open(address, "_blank", "noopener,noreferrer");
  if (alert && text) showAlert(title, text, opens ? null : address);
  else if (text || (address && !opens)) toast(text, { url: opens ? null : address });
  if (url && address === null) toast(t("The bot's answer has a link that is not http or https: %(url)s", { url }), { kind: "error" });
}

/** Tell a screen reader, politely. */
export function announce(text) {
  const region = byId("announcer");
  region.append(el("p", {}, text));
  while (region.children.length > 10) region.firstElementChild.remove();
}

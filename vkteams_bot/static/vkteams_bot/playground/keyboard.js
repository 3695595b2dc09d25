// The inline keyboard under a message.

import { el, icon, safeUrl } from "./dom.js";
import { t } from "./i18n.js";

const STYLES = new Set(["base", "primary", "attention"]);

/** `onPress(place, callbackData)`; `isPressed(place)` says which buttons wait for their answer. Null without buttons. */
export function renderKeyboard(markup, { onPress, isPressed }) {
  const rows = (Array.isArray(markup) ? markup : []).filter((row) => Array.isArray(row) && row.length > 0);
  if (rows.length === 0) return null;
  const keyboard = el("div", { class: "keyboard", role: "group", "aria-label": t("Buttons") });
  for (const [rowIndex, row] of rows.entries()) {
    const line = el("div", { class: "keyboard-row" });
    for (const [index, button] of row.entries()) {
      const place = `${rowIndex}:${index}`;
      const node = renderButton(button, () => onPress(place, button.callbackData));
      node.dataset.place = place;
      line.append(node);
    }
    keyboard.append(line);
  }
  showPressed(keyboard, isPressed);
  return keyboard;
}

/** Bring the waiting marks up to date without touching anything else (the focus stays where it is). */
export function showPressed(keyboard, isPressed) {
  for (const button of keyboard.querySelectorAll("[data-place]")) {
    const pressed = isPressed(button.dataset.place);
    button.classList.toggle("waiting", pressed);
    if (pressed) button.setAttribute("aria-busy", "true");
    else button.removeAttribute("aria-busy");
  }
}

function renderButton(button, press) {
  const style = STYLES.has(button.style) ? button.style : "base";
  const label = el("span", { class: "button-label" }, String(button.text ?? ""));
  const looks = { class: `key key-${style}` };
  if (button.url !== undefined && button.url !== null) {
    const url = safeUrl(button.url);
    if (url === null) {
      const title = t("This link is not http or https");
      return el("button", { type: "button", ...looks, disabled: true, title }, label);
    }
    return el("a", { ...looks, href: url, target: "_blank", rel: "noopener noreferrer", title: url }, label, icon("out"));
  }
  return el("button", { type: "button", ...looks, on: { click: press } }, label, el("span", { class: "spinner" }));
}

// A small menu beside a button. Escape, a click elsewhere and Tab close it; the arrows move in it.

import { el, icon } from "./dom.js";

/** `items`: {label, icon, danger, checked, lead (a node), run}, or null for a line between groups. */
export function openMenu(anchor, items, { label, className = "" } = {}) {
  const menu = el("div", { class: `menu ${className}`, role: "menu", popover: "auto", "aria-label": label ?? null });
  for (const item of items) menu.append(item === null ? el("hr") : menuItem(item, () => menu.hidePopover()));
  document.body.append(menu);
  menu.addEventListener("keydown", (event) => moveInside(menu, event));
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    const focused = menu.contains(document.activeElement) || document.activeElement === document.body;
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    if (focused && anchor.isConnected) anchor.focus({ preventScroll: true });
  });
  menu.showPopover();
  anchor.setAttribute("aria-expanded", "true");
  place(menu, anchor);
  (menu.querySelector('[aria-checked="true"]') ?? menu.querySelector("button"))?.focus();
  return menu;
}

function menuItem(item, close) {
  const checkable = item.checked !== undefined;
  return el(
    "button",
    {
      type: "button",
      role: checkable ? "menuitemradio" : "menuitem",
      "aria-checked": checkable ? String(item.checked) : null,
      class: item.danger ? "menu-item danger" : "menu-item",
      tabindex: "-1",
      on: {
        click: () => {
          close();
          item.run();
        },
      },
    },
    item.lead ?? icon(item.icon),
    el("span", { class: "menu-words" }, el("span", { class: "menu-label" }, item.label), item.note ? el("small", {}, item.note) : null),
    item.checked ? icon("check") : null,
  );
}

function moveInside(menu, event) {
  const items = [...menu.querySelectorAll(".menu-item")];
  const index = items.indexOf(document.activeElement);
  const steps = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: items.length - 1 };
  if (event.key === "Tab") {
    menu.hidePopover();
  } else if (event.key in steps) {
    event.preventDefault();
    items.at(steps[event.key] % items.length)?.focus();
  }
}

function place(menu, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const gap = 6;
  const edge = 8;
  const below = box.bottom + gap + height < innerHeight - edge;
  const top = below ? box.bottom + gap : Math.max(edge, box.top - gap - height);
  const fromRight = box.left + width > innerWidth - edge;
  const left = fromRight ? Math.max(edge, box.right - width) : box.left;
  menu.style.top = `${top}px`;
  menu.style.left = `${left}px`;
  menu.style.transformOrigin = `${fromRight ? "right" : "left"} ${below ? "top" : "bottom"}`;
}

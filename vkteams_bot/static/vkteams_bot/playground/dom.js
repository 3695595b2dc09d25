// Making elements. Nothing here, or anywhere on the page, parses HTML: a text is only ever a text node.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `on` holds listeners, `data` the data-attributes; null and false leave an attribute out. */
export function el(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, value] of Object.entries(data)) {
    if (value !== null && value !== undefined) node.dataset[name] = String(value);
  }
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An icon of the sprite in the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Calls of the result run `work` once, before the next frame. */
export function perFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

export const byId = (id) => document.getElementById(id);

const HUES = [8, 32, 62, 108, 152, 188, 222, 258, 292, 330];

function hueOf(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return HUES[sum % HUES.length];
}

function initialsOf(name) {
  const words = name.split(/[\s._\-@]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((character) => /[\p{L}\p{N}]/u.test(character)));
  return letters.join("").toLocaleUpperCase() || "?";
}

/** Initials on a colour that belongs to the id. `kind`: person, bot or group. */
export function avatar(id, name, kind = "person") {
  const node = el("span", { class: `avatar avatar-${kind}`, "aria-hidden": "true" }, initialsOf(name));
  node.style.setProperty("--hue", String(hueOf(id)));
  return node;
}

/** The colour of an author's name: the avatar's. */
export function tint(node, id) {
  node.style.setProperty("--hue", String(hueOf(id)));
  return node;
}

/** The address if it may be opened (http and https only), else null. */
export function safeUrl(address) {
  if (typeof address !== "string") return null;
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

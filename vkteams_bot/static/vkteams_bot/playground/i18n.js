// Words, times and dates in the page's language.

import { byId } from "./dom.js";

const config = JSON.parse(byId("playground-config").textContent);
const language = document.documentElement.lang || "en";

const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayThisYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "long" });
const dayOfAnyYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium" });

/** Translate; `%(name)s` in the text is replaced by `values.name`. */
export function t(text, values = {}) {
  const translated = config.strings[text] ?? text;
  return translated.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const dateOf = (timestamp) => new Date(timestamp * 1000);

export const dayKey = (timestamp) => dateOf(timestamp).toDateString();
export const timeText = (timestamp) => clock.format(dateOf(timestamp));
export const fullText = (timestamp) => full.format(dateOf(timestamp));
export const isoText = (timestamp) => dateOf(timestamp).toISOString();

export function dayText(timestamp) {
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (dayKey(timestamp) === today.toDateString()) return t("Today");
  if (dayKey(timestamp) === yesterday.toDateString()) return t("Yesterday");
  const date = dateOf(timestamp);
  return (date.getFullYear() === today.getFullYear() ? dayThisYear : dayOfAnyYear).format(date);
}

/** A time today, a date otherwise: for the chat list. */
export function shortText(timestamp) {
  return dayKey(timestamp) === new Date().toDateString() ? timeText(timestamp) : shortDay.format(dateOf(timestamp));
}

export function sizeText(bytes) {
  const units = [t("B"), t("KB"), t("MB"), t("GB")];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toLocaleString(language, { maximumFractionDigits: unit ? 1 : 0 })}\u00a0${units[unit]}`;
}

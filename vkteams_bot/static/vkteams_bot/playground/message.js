// One message as a bubble.

import { avatar, el, icon, safeUrl, tint } from "./dom.js";
import { fullText, isoText, sizeText, t, timeText } from "./i18n.js";
import { renderKeyboard } from "./keyboard.js";
import { flatText, renderText } from "./text.js";

const LARGE_EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s?){1,3}$/u;

/**
 * `context`: mine, first and last of a group of bubbles, named (authors are shown), kindOf, nameOf, onCommand, onPress,
 * isPressed, onMenu(anchor), onQuote(msgId).
 */
export function renderMessage(message, context) {
  const author = personName(message.from, context);
  if (message.deleted) return tombstone(message, author, context);
  const content = contentOf(message, context);
  const classes = ["message", context.mine ? "mine" : "theirs"];
  if (context.first) classes.push("first");
  if (context.last) classes.push("last");
  if (content.bare) classes.push("bare");
  const keyboard = renderKeyboard(message.inlineKeyboardMarkup, context);
  const more = el(
    "button",
    { type: "button", class: "message-more", "aria-label": t("Message actions"), "aria-haspopup": "menu", tabindex: "-1" },
    icon("more"),
  );
  more.addEventListener("click", () => context.onMenu(more));
  const bubble = el(
    "div",
    { class: "bubble" },
    context.named && context.first ? tint(el("div", { class: "author" }, author), message.from.userId) : null,
    ...content.nodes,
    metaOf(message),
  );
  return el(
    "article",
    { class: classes.join(" "), tabindex: "-1", data: { id: message.msgId }, "aria-label": ariaLabel(message, author, context) },
    context.named ? gutter(message, author, context) : null,
    el("div", { class: "message-body" }, el("div", { class: "bubble-line" }, bubble, more), keyboard),
  );
}

/** What a message says, in one line. */
export function summary(message, nameOf) {
  if (message.deleted) return t("Message deleted");
  const text = flatText(bareText(message), nameOf);
  if (text) return text;
  for (const part of message.parts ?? []) {
    if (part.type === "sticker") return t("Sticker");
    if (part.type === "voice") return t("Voice message");
    if (part.type === "file") return part.payload?.caption || fileName(message, part.payload);
    if (part.type === "forward") return t("Forwarded message");
  }
  return t("Message");
}

export function personName(person, { nameOf }) {
  const name = [person?.firstName, person?.lastName].filter(Boolean).join(" ");
  return name || (person?.userId ? nameOf(person.userId) : t("Unknown"));
}

function tombstone(message, author, context) {
  const classes = ["message", context.mine ? "mine" : "theirs", "gone", context.first && "first", context.last && "last"];
  return el(
    "article",
    { class: classes.filter(Boolean).join(" "), tabindex: "-1", data: { id: message.msgId }, "aria-label": ariaLabel(message, author, context) },
    context.named ? gutter(message, author, context) : null,
    el("div", { class: "message-body" }, el("div", { class: "bubble" }, t("Message deleted"))),
  );
}

function ariaLabel(message, author, { nameOf }) {
  return `${author}, ${timeText(message.timestamp)}: ${summary(message, nameOf).slice(0, 200)}`;
}

function gutter(message, author, { last, kindOf }) {
  const node = last ? avatar(message.from.userId, author, kindOf(message.from.userId)) : null;
  return el("div", { class: "gutter" }, node);
}

function metaOf(message) {
  const edited = message.editedTimestamp
    ? el("span", { class: "edited", title: fullText(message.editedTimestamp) }, t("edited"))
    : null;
  const time = el(
    "time",
    { datetime: isoText(message.timestamp), title: fullText(message.timestamp) },
    timeText(message.timestamp),
  );
  return el("div", { class: "meta" }, edited, time);
}

/** The text without the addresses of attached files, which servers put there. */
function bareText(message) {
  let text = message.text ?? "";
  for (const part of message.parts ?? []) {
    const id = part.payload?.fileId;
    if (!id || !["file", "voice", "sticker"].includes(part.type)) continue;
    const lines = text.split("\n");
    const kept = lines.filter((line) => !(/^https?:\/\/\S+$/.test(line.trim()) && line.includes(id)));
    if (kept.length < lines.length) text = kept.join("\n");
  }
  return text;
}

function contentOf(message, context) {
  const parts = message.parts ?? [];
  const named = mentionNames(parts, context);
  const nodes = [];
  for (const part of parts) {
    if (part.type === "reply") nodes.push(reply(part.payload?.message, named));
    if (part.type === "forward") nodes.push(forward(part.payload?.message, named));
  }
  const files = parts.filter((part) => ["file", "voice", "sticker"].includes(part.type));
  for (const part of files) nodes.push(...attachment(message, part, named));
  const text = bareText(message);
  // Ranges count from the start of the text as it was sent.
  if (text) nodes.push(el("div", { class: "text", dir: "auto" }, renderText(text, text === message.text ? message.format : null, named)));
  const onlyText = nodes.length === 1 && text !== "";
  const onlySticker = nodes.length === 1 && files.length === 1 && files[0].type === "sticker";
  const emoji = onlyText && !message.inlineKeyboardMarkup && LARGE_EMOJI.test(text);
  if (emoji) nodes[0].classList.add("large");
  return { nodes, bare: emoji || onlySticker };
}

/** Mentions bring the names of people whom the page may not know. */
function mentionNames(parts, context) {
  const names = new Map();
  for (const part of parts) {
    if (part.type === "mention" && part.payload?.userId) names.set(part.payload.userId, personName(part.payload, context));
  }
  return { ...context, nameOf: (userId) => names.get(userId) ?? context.nameOf(userId) };
}

function reply(quoted, context) {
  if (!quoted) return null;
  const author = personName(quoted.from, context);
  const node = el(
    "button",
    { type: "button", class: "quote", title: t("Show the message") },
    el("span", { class: "quote-author" }, author),
    el("span", { class: "quote-text" }, summary(quoted, context.nameOf)),
  );
  node.addEventListener("click", () => context.onQuote(quoted.msgId));
  return tint(node, quoted.from?.userId ?? "");
}

function forward(forwarded, context) {
  if (!forwarded) return null;
  const author = personName(forwarded.from, context);
  return tint(
    el(
      "div",
      { class: "forward" },
      el("div", { class: "forward-head" }, icon("forward"), el("span", {}, t("Forwarded from %(name)s", { name: author }))),
      ...contentOf(forwarded, { ...context, onCommand: null }).nodes,
    ),
    forwarded.from?.userId ?? "",
  );
}

function fileOf(message, payload) {
  return message.files?.[payload?.fileId] ?? {};
}

function fileName(message, payload) {
  return fileOf(message, payload).name ?? t("File");
}

function attachment(message, part, context) {
  const file = fileOf(message, part.payload);
  const url = file.url ? new URL(file.url, document.baseURI).href : null;
  const kind = part.type === "file" ? (part.payload?.type ?? file.type ?? "document") : part.type;
  const nodes = [];
  if (url && (kind === "image" || kind === "sticker") && file.shown) nodes.push(picture(url, file, kind));
  else nodes.push(chip(kind, url, file, part.payload));
  if (part.payload?.caption) {
    nodes.push(el("div", { class: "text", dir: "auto" }, renderText(part.payload.caption, part.payload.format, context)));
  }
  return nodes;
}

function picture(url, file, kind) {
  const image = el("img", { src: url, alt: kind === "sticker" ? t("Sticker") : (file.name ?? t("Image")), loading: "lazy" });
  const classes = `picture picture-${kind}`;
  return el("a", { class: classes, href: safeUrl(url), target: "_blank", rel: "noopener noreferrer" }, image);
}

const ICONS = { voice: "voice", audio: "voice", image: "image", sticker: "image", video: "video" };

function chip(kind, url, file, payload) {
  const names = { voice: t("Voice message"), sticker: t("Sticker"), image: t("Image"), video: t("Video"), audio: t("Audio") };
  const title = kind === "voice" || kind === "sticker" ? names[kind] : (file.name ?? names[kind] ?? t("File"));
  const details = Number.isFinite(file.size) ? sizeText(file.size) : (payload?.fileId ?? "");
  const tag = url ? "a" : "div";
  const link = url ? { href: safeUrl(url), target: "_blank", rel: "noopener noreferrer" } : {};
  return el(
    tag,
    { class: `chip chip-${kind}`, ...link },
    el("span", { class: "chip-icon" }, icon(ICONS[kind] ?? "file")),
    el("span", { class: "chip-words" }, el("span", { class: "chip-name" }, title), el("span", { class: "chip-size" }, details)),
  );
}

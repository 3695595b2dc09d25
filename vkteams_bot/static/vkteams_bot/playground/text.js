// A text and its format ranges as DOM nodes. Offsets are UTF-16 code units, which is how JavaScript counts, too.

import { el, icon, safeUrl } from "./dom.js";
import { t } from "./i18n.js";

const BLOCKS = ["pre", "quote", "ordered_list", "unordered_list"];
// From the outside in: a link stays one element however its label is styled.
const INLINE = ["link", "mention", "inline_code", "bold", "italic", "underline", "strikethrough"];
const TAGS = { inline_code: "code", bold: "strong", italic: "em", underline: "u", strikethrough: "s" };

const TOKEN = new RegExp(
  [
    String.raw`(?<url>https?://[^\s<>"']*[^\s<>"'.,;:!?)\]}»…])`,
    String.raw`@\[(?<mention>[^\]\s]{1,200})\]`,
    String.raw`(?<=^|[\s(\[«"'„“])/(?<command>[a-zA-Z]\w{0,31})(?![\p{L}\p{N}_/])`,
  ].join("|"),
  "gu",
);

/**
 * Render. `context.nameOf(userId)` names the mentioned; `context.onCommand(text)`, if given, makes commands clickable.
 * Ranges that make no sense are left out, ranges past the end are cut: the text itself is always shown whole.
 */
export function renderText(text, format, context) {
  const fragment = document.createDocumentFragment();
  const inline = Object.fromEntries(INLINE.map((kind) => [kind, rangesOf(text, format, kind)]));
  const run = { text, inline, context };
  const blocks = blocksOf(text, format);
  let position = 0;
  for (const [index, block] of blocks.entries()) {
    fragment.append(...plainLines(run, position, block.start, index > 0, true));
    fragment.append(renderBlock(run, block));
    position = block.end;
  }
  fragment.append(...plainLines(run, position, text.length, blocks.length > 0, false));
  return fragment;
}

/** The commands that a text names, with the slash. */
export function commandsIn(text) {
  const found = [...(text ?? "").matchAll(TOKEN)].map((match) => match.groups.command);
  return found.filter(Boolean).map((command) => `/${command}`);
}

/** One line of plain text: for previews and announcements. */
export function flatText(text, nameOf) {
  return (text ?? "").replace(TOKEN, (whole, ...rest) => {
    const { mention } = rest.at(-1);
    return mention ? `@${nameOf(mention)}` : whole;
  }).replace(/\s+/gu, " ").trim();
}

function rangesOf(text, format, kind) {
  const given = Array.isArray(format?.[kind]) ? format[kind] : [];
  const ranges = [];
  for (const range of given) {
    const { offset, length } = range ?? {};
    if (!Number.isInteger(offset) || !Number.isInteger(length) || offset < 0 || length <= 0) continue;
    if (offset >= text.length) continue;
    const start = insidePair(text, offset) ? offset - 1 : offset;
    const last = Math.min(text.length, offset + length);
    ranges.push({ ...range, kind, start, end: insidePair(text, last) ? last + 1 : last });
  }
  return ranges.sort((one, other) => one.start - other.start || other.end - one.end);
}

/** Whether a cut here would part a surrogate pair. */
function insidePair(text, index) {
  return /[\uD800-\uDBFF]/.test(text[index - 1] ?? "") && /[\uDC00-\uDFFF]/.test(text[index] ?? "");
}

function blocksOf(text, format) {
  const all = BLOCKS.flatMap((kind) => rangesOf(text, format, kind));
  all.sort((one, other) => one.start - other.start || BLOCKS.indexOf(one.kind) - BLOCKS.indexOf(other.kind));
  const blocks = [];
  for (const block of all) {
    const previous = blocks.at(-1);
    if (previous && block.start < previous.end) continue;
    // Servers may mark a list item by item: neighbours are one list.
    const joins = previous && previous.kind === block.kind && block.kind !== "pre";
    if (joins && /^\n?$/.test(text.slice(previous.end, block.start))) previous.end = block.end;
    else blocks.push({ ...block });
  }
  return blocks;
}

/** Text between blocks, without the line breaks that the blocks make by themselves. */
function plainLines(run, start, end, afterBlock, beforeBlock) {
  let from = start;
  let to = end;
  if (afterBlock && run.text[from] === "\n" && from < to) from += 1;
  if (beforeBlock && run.text[to - 1] === "\n" && from < to) to -= 1;
  return from < to ? [...renderInline(run, from, to, 0, false).childNodes] : [];
}

function renderBlock(run, block) {
  const { start } = block;
  const end = run.text[block.end - 1] === "\n" ? block.end - 1 : block.end;
  if (block.kind === "pre") return renderCode(run.text.slice(start, end), block.code);
  if (block.kind === "quote") return el("blockquote", {}, renderInline(run, start, end, 0, false));
  const list = el(block.kind === "ordered_list" ? "ol" : "ul");
  let from = start;
  for (const line of run.text.slice(start, end).split("\n")) {
    list.append(el("li", {}, renderInline(run, from, from + line.length, 0, false)));
    from += line.length + 1;
  }
  return list;
}

function renderCode(code, language) {
  const copy = el("button", { type: "button", class: "code-copy", "aria-label": t("Copy code") }, icon("copy"));
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(code);
    copy.classList.add("done");
    setTimeout(() => copy.classList.remove("done"), 1200);
  });
  const name = typeof language === "string" ? language.slice(0, 40) : "";
  return el(
    "div",
    { class: "code" },
    el("div", { class: "code-head" }, el("span", {}, name), copy),
    el("pre", { tabindex: "0" }, el("code", {}, code)),
  );
}

/** Wrap what the ranges of one style cover, and let the next style look inside. */
function renderInline(run, start, end, depth, literal) {
  const fragment = document.createDocumentFragment();
  if (depth === INLINE.length) {
    fragment.append(...renderLeaf(run.text.slice(start, end), run.context, literal));
    return fragment;
  }
  const kind = INLINE[depth];
  let position = start;
  for (const range of run.inline[kind]) {
    const from = Math.max(range.start, position);
    const to = Math.min(range.end, end);
    if (from >= to) continue;
    if (position < from) fragment.append(renderInline(run, position, from, depth + 1, literal));
    fragment.append(styled(run, range, from, to, depth, literal));
    position = to;
  }
  if (position < end) fragment.append(renderInline(run, position, end, depth + 1, literal));
  return fragment;
}

function styled(run, range, from, to, depth, literal) {
  if (range.kind === "mention") return renderInline(run, from, to, depth + 1, literal);
  const within = renderInline(run, from, to, depth + 1, literal || range.kind in { link: 1, inline_code: 1 });
  return range.kind === "link" ? link(range.url, within) : el(TAGS[range.kind], {}, within);
}

function link(address, label) {
  const url = safeUrl(address);
  if (url === null) return el("span", { class: "dead-link", title: t("This link is not http or https") }, label);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", title: url }, label);
}

function renderLeaf(text, context, literal) {
  if (literal) return [text];
  const nodes = [];
  let position = 0;
  for (const match of text.matchAll(TOKEN)) {
    const { url, mention, command } = match.groups;
    if (command && !context.onCommand) continue;
    nodes.push(text.slice(position, match.index));
    position = match.index + match[0].length;
    if (url) nodes.push(link(url, url));
    else if (mention) nodes.push(el("span", { class: "mention", title: mention }, `@${context.nameOf(mention)}`));
    else nodes.push(commandButton(match[0], context));
  }
  nodes.push(text.slice(position));
  return nodes.filter((node) => node !== "");
}

function commandButton(text, context) {
  return el("button", { type: "button", class: "command", on: { click: () => context.onCommand(text) } }, text);
}

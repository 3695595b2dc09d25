// The messages of the open chat, and where the reader stands in them.

import { el, icon, perFrame } from "./dom.js";
import { dayKey, dayText, t } from "./i18n.js";
import { showPressed } from "./keyboard.js";
import { renderMessage } from "./message.js";

const GROUP_SECONDS = 5 * 60;
const NEAR_BOTTOM = 60;
const NEAR_TOP = 300;

/** `actions`: onCommand(text), onPress(message, place, data), onMenu(message, anchor). */
export class Feed {
  #store;
  #actions;
  #scroller;
  #list;
  #typing;
  #jump;
  #empty;
  #nodes = new Map();
  #stuck = true;
  #missed = 0;
  #loading = false;
  #focused = null;
  #newest = null;

  constructor({ scroller, list, typing, jump, empty }, store, actions) {
    this.#store = store;
    this.#actions = actions;
    this.#scroller = scroller;
    this.#list = list;
    this.#typing = typing;
    this.#jump = jump;
    this.#empty = empty;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.toBottom(true));
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("focusin", (event) => this.#follow(event.target.closest("article")));
    list.addEventListener("contextmenu", (event) => this.#contextMenu(event));
    list.addEventListener("click", (event) => this.#tap(event));
    document.addEventListener("visibilitychange", () => this.#seen());
    window.addEventListener("focus", () => this.#seen());
    // Pictures load, windows and composers change height: who read the newest message still does.
    const observer = new ResizeObserver(() => {
      if (this.#stuck) this.toBottom();
    });
    observer.observe(list);
    observer.observe(scroller);
    store.addEventListener("open", () => this.#opened());
    store.addEventListener("messages", perFrame(() => this.render()));
    store.addEventListener("actions", () => this.#renderTyping());
    store.addEventListener("pressed", () => this.#renderPressed());
    store.addEventListener("arrived", ({ detail }) => this.#arrived(detail));
  }

  render() {
    const messages = this.#store.messages ?? [];
    const anchor = this.#stuck ? null : this.#anchor();
    const newest = messages.at(-1);
    // Who writes wants to see it.
    if (newest && newest.msgId !== this.#newest && this.#newest !== null && this.#store.isMine(newest)) this.#stuck = true;
    this.#newest = newest?.msgId ?? "";
    const rows = this.#rows(messages);
    const stale = new Set(this.#nodes.keys());
    let next = this.#list.firstElementChild;
    for (const row of rows) {
      stale.delete(row.key);
      let kept = this.#nodes.get(row.key);
      if (!kept || kept.signature !== row.signature || kept.message !== row.message) {
        const node = row.build();
        if (kept) this.#replace(kept.node, node, next === kept.node ? () => (next = node) : () => {});
        kept = { node, signature: row.signature, message: row.message };
        this.#nodes.set(row.key, kept);
      }
      if (kept.node === next) next = next.nextElementSibling;
      else this.#list.insertBefore(kept.node, next);
    }
    for (const key of stale) {
      this.#nodes.get(key).node.remove();
      this.#nodes.delete(key);
    }
    this.#list.hidden = rows.length === 0;
    this.#renderEmpty();
    this.#renderPressed();
    if (this.#stuck) this.toBottom();
    else this.#restore(anchor);
    this.#seen();
    this.#makeReachable();
  }

  /** Something grew below the messages. */
  follow() {
    if (this.#stuck) this.toBottom();
  }

  toBottom(smooth = false) {
    this.#stuck = true;
    this.#missed = 0;
    const motion = smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches ? "smooth" : "instant";
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: motion });
    this.#renderJump();
    this.#seen();
  }

  focusMessage(msgId) {
    const node = this.#nodes.get(`m${msgId}`)?.node;
    if (!node) return;
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
    node.classList.remove("flash");
    requestAnimationFrame(() => node.classList.add("flash"));
  }

  #opened() {
    this.#stuck = true;
    this.#missed = 0;
    this.#loading = false;
    this.#focused = null;
    this.#newest = null;
    if (this.#store.messages === null) {
      this.#nodes.clear();
      this.#list.replaceChildren();
      this.#list.hidden = true;
    }
    this.#renderEmpty();
    this.#renderTyping();
    this.#renderJump();
  }

  /** Day separators and messages, each with a signature of everything outside the message that shows. */
  #rows(messages) {
    const named = this.#store.openChat?.type !== "private";
    const rows = [];
    let day = null;
    for (const [index, message] of messages.entries()) {
      const today = dayKey(message.timestamp);
      if (today !== day) {
        day = today;
        const text = dayText(message.timestamp);
        const build = () => el("div", { class: "day", role: "separator" }, el("span", {}, text));
        rows.push({ key: `d${today}`, signature: text, message: null, build });
      }
      const context = {
        mine: this.#store.isMine(message),
        first: !together(messages[index - 1], message),
        last: !together(message, messages[index + 1]),
        named: named && !this.#store.isMine(message),
        nameOf: (userId) => this.#store.nameOf(userId),
        kindOf: (userId) => this.#store.kindOf(userId),
        onCommand: this.#store.kindOf(message.from.userId) === "bot" ? this.#actions.onCommand : null,
        onPress: (place, data) => this.#actions.onPress(message, place, data),
        isPressed: (place) => this.#store.isPressed(message.msgId, place),
        onMenu: (anchor) => this.#actions.onMenu(message, anchor),
        onQuote: (msgId) => this.focusMessage(msgId),
      };
      const signature = `${context.mine} ${context.first} ${context.last} ${context.named}`;
      rows.push({ key: `m${message.msgId}`, signature, message, build: () => renderMessage(message, context) });
    }
    return rows;
  }

  /** An edited message takes the old one's place, and its focus. */
  #replace(old, node, moved) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const place = active?.dataset.place;
    node.classList.add("still");
    if (old.parentNode) old.replaceWith(node);
    moved();
    if (active) (node.querySelector(`[data-place="${CSS.escape(place ?? "")}"]`) ?? node).focus({ preventScroll: true });
  }

  #renderTyping() {
    const store = this.#store;
    const acting = store.chat === null ? [] : store.actingIn(store.chat);
    this.#typing.hidden = acting.length === 0;
    if (acting.length === 0) return;
    const text = actingText(acting, store);
    this.#typing.replaceChildren(el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", {}, text));
    if (this.#stuck) this.toBottom();
  }

  #renderPressed() {
    for (const [key, { node }] of this.#nodes) {
      const keyboard = node.querySelector(".keyboard");
      if (keyboard) showPressed(keyboard, (place) => this.#store.isPressed(key.slice(1), place));
    }
  }

  #renderEmpty() {
    const { openChat, messages } = this.#store;
    const shown = openChat !== null && messages !== null && messages.length === 0;
    this.#empty.hidden = !shown;
    if (!shown) return;
    const words = [el("p", { class: "empty-title" }, t("Nothing here yet"))];
    if (this.#store.bots.has(openChat.chatId)) {
      words.push(el("p", {}, t("Write to %(name)s, or begin as people do:", { name: openChat.title })));
      const start = { type: "button", class: "soft-button", on: { click: () => this.#actions.onCommand("/start") } };
      words.push(el("button", start, "/start"));
    } else {
      words.push(el("p", {}, t("Write the first message of this chat.")));
    }
    this.#empty.replaceChildren(...words);
  }

  #renderJump() {
    this.#jump.hidden = this.#stuck;
    const text = this.#missed > 0 ? t("New messages: %(count)s", { count: this.#missed }) : t("To the newest message");
    this.#jump.classList.toggle("quiet", this.#missed === 0);
    this.#jump.setAttribute("aria-label", text);
    this.#jump.replaceChildren(...(this.#missed > 0 ? [el("span", {}, text)] : []), icon("down"));
  }

  #arrived({ chat }) {
    if (chat.chatId !== this.#store.chat || this.#stuck) return;
    this.#missed += 1;
    this.#renderJump();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const stuck = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    if (stuck !== this.#stuck) {
      this.#stuck = stuck;
      if (stuck) this.#missed = 0;
      this.#renderJump();
    }
    this.#seen();
    if (scrollTop < NEAR_TOP) this.#older();
  }

  async #older() {
    if (this.#loading || !this.#store.more) return;
    this.#loading = true;
    try {
      await this.#store.loadOlder();
    } catch {
      // The connection is gone: scrolling asks again.
    } finally {
      this.#loading = false;
    }
  }

  #seen() {
    if (this.#stuck && !document.hidden && document.hasFocus()) this.#store.markRead();
  }

  /** The topmost visible row, so that what is read does not move when rows above it come or go. */
  #anchor() {
    const { top } = this.#scroller.getBoundingClientRect();
    for (const [key, { node }] of this.#nodes) {
      if (!key.startsWith("m")) continue;
      const box = node.getBoundingClientRect();
      if (box.bottom > top) return { key, offset: box.top - top };
    }
    return null;
  }

  #restore(anchor) {
    const node = anchor && this.#nodes.get(anchor.key)?.node;
    if (!node) return;
    const offset = node.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
    this.#scroller.scrollTop += offset - anchor.offset;
  }

  /** One message at a time can be reached with Tab; the arrows move between them. */
  #makeReachable() {
    const articles = [...this.#list.querySelectorAll("article")];
    const chosen = articles.find((node) => node.dataset.id === this.#focused) ?? articles.at(-1);
    for (const node of articles) node.tabIndex = node === chosen ? 0 : -1;
  }

  #follow(article) {
    if (!article) return;
    this.#focused = article.dataset.id;
    this.#makeReachable();
  }

  #key(event) {
    const article = event.target.closest("article");
    if (!article || event.target !== article) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.#openMenu(article);
      return;
    }
    const articles = [...this.#list.querySelectorAll("article")];
    const index = articles.indexOf(article);
    const target = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: articles.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    articles[target]?.focus();
  }

  #contextMenu(event) {
    const article = event.target.closest("article");
    if (!article || event.target.closest("a") || article.matches(".gone") || !getSelection().isCollapsed) return;
    event.preventDefault();
    this.#openMenu(article);
  }

  /** Where nothing hovers, a tap on a bubble is the way to its menu. */
  #tap(event) {
    const bubble = event.target.closest(".bubble");
    const other = event.target.closest("a, button, .code");
    if (bubble && !other && matchMedia("(hover: none)").matches && getSelection().isCollapsed) {
      this.#openMenu(bubble.closest("article"));
    }
  }

  #openMenu(article) {
    const message = this.#store.messages.find(({ msgId }) => msgId === article.dataset.id);
    const button = article.querySelector(".message-more");
    if (!message || !button) return;
    this.#actions.onMenu(message, button.offsetParent ? button : article.querySelector(".bubble"));
  }
}

/** "Ann is typing…" */
export function actingText(acting, store) {
  const { userId, action } = acting.find((one) => one.action === "typing") ?? acting[0];
  const name = store.nameOf(userId);
  return action === "typing" ? t("%(name)s is typing…", { name }) : t("%(name)s is looking…", { name });
}

function together(one, other) {
  return (
    one !== undefined &&
    other !== undefined &&
    one.from.userId === other.from.userId &&
    other.timestamp - one.timestamp < GROUP_SECONDS &&
    dayKey(one.timestamp) === dayKey(other.timestamp)
  );
}

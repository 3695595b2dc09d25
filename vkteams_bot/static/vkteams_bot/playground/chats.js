// The left pane: who I am, and my chats.

import { avatar, byId, el, icon, perFrame } from "./dom.js";
import { actingText } from "./feed.js";
import { isoText, shortText, t } from "./i18n.js";
import { openMenu } from "./menu.js";
import { personName, summary } from "./message.js";

export function chatKind(chat, store) {
  if (chat.type !== "private") return "group";
  return store.kindOf(chat.chatId);
}

export class ChatList {
  #store;
  #list = byId("chat-list");
  #empty = byId("chats-empty");
  #addresses;

  /** `addresses.chat(chatId)`: the page's own address of a chat. */
  constructor(store, addresses) {
    this.#store = store;
    this.#addresses = addresses;
    const render = perFrame(() => this.render());
    for (const topic of ["chats", "open", "people", "actions"]) store.addEventListener(topic, render);
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    setInterval(render, 60_000);
  }

  render() {
    const store = this.#store;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const chats = store.chatList();
    this.#list.replaceChildren(...chats.map((chat) => this.#row(chat)));
    if (focused) this.#list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.#empty.hidden = !store.greeted || store.me === null || chats.length > 0;
    const unread = chats.reduce((sum, chat) => sum + chat.unread, 0);
    document.title = unread > 0 ? `(${unread}) ${t("Playground")}` : t("Playground");
  }

  #row(chat) {
    const store = this.#store;
    const acting = store.actingIn(chat.chatId);
    const { last } = chat;
    const current = chat.chatId === store.chat;
    const unread = chat.unread > 0
      ? el("span", { class: "badge", "aria-label": t("Unread: %(count)s", { count: chat.unread }) }, chat.unread > 99 ? "99+" : String(chat.unread))
      : null;
    const preview = acting.length > 0
      ? el("span", { class: "row-preview acting" }, actingText(acting, store))
      : el("span", { class: "row-preview" }, ...this.#preview(chat, last));
    return el(
      "li",
      {},
      el(
        "a",
        { class: "row", href: this.#addresses.chat(chat.chatId), data: { id: chat.chatId }, "aria-current": current ? "true" : null },
        avatar(chat.chatId, chat.title, chatKind(chat, store)),
        el(
          "span",
          { class: "row-words" },
          el(
            "span",
            { class: "row-line" },
            el("span", { class: "row-title" }, chat.title),
            last ? el("time", { class: "row-time", datetime: isoText(last.timestamp) }, shortText(last.timestamp)) : null,
          ),
          el("span", { class: "row-line" }, preview, unread),
        ),
      ),
    );
  }

  #preview(chat, last) {
    const store = this.#store;
    if (!last) return [t("No messages yet")];
    const text = summary(last, (userId) => store.nameOf(userId)).slice(0, 160);
    if (store.isMine(last)) return [el("span", { class: "row-author" }, t("You:")), " ", text];
    if (chat.type === "private") return [text];
    return [el("span", { class: "row-author" }, `${personName(last.from, store)}:`), " ", text];
  }

  #key(event) {
    const rows = [...this.#list.querySelectorAll(".row")];
    const index = rows.indexOf(document.activeElement);
    const target = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    rows[target]?.focus();
  }
}

/** The button that says who I am, and its menu. */
export class Identity {
  #store;
  #button = byId("identity");
  #actions;

  /** `actions`: onSwitch(userId), onAdd(). */
  constructor(store, actions) {
    this.#store = store;
    this.#actions = actions;
    this.#button.addEventListener("click", () => this.#open());
    byId("add-first").addEventListener("click", () => actions.onAdd());
    store.addEventListener("people", () => this.render());
  }

  render() {
    const { me, users, greeted } = this.#store;
    const person = users.get(me);
    byId("nobody").hidden = !greeted || users.size > 0;
    this.#button.hidden = !person;
    if (!person) return;
    this.#button.replaceChildren(
      avatar(me, person.name),
      el("span", { class: "identity-words" }, el("small", {}, t("You are")), el("strong", {}, person.name)),
      icon("switch"),
    );
    this.#button.setAttribute("aria-label", t("You are %(name)s. Switch to another person", { name: person.name }));
  }

  #open() {
    const { users, me } = this.#store;
    const people = [...users.values()].map(({ userId, name }) => ({
      label: name,
      note: userId,
      lead: avatar(userId, name),
      checked: userId === me,
      run: () => this.#actions.onSwitch(userId),
    }));
    const add = { label: t("Add a person"), icon: "add", run: () => this.#actions.onAdd() };
    const menu = openMenu(this.#button, [...people, null, add], { label: t("People"), className: "menu-people" });
    menu.style.minWidth = `${this.#button.offsetWidth}px`;
  }
}

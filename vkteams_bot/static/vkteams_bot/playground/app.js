// Puts the page together.

import { ChatList, chatKind, Identity } from "./chats.js";
import { Composer } from "./composer.js";
import { Connection, NotConnected } from "./connection.js";
import { acceptFiles } from "./attachment.js";
import { avatar, byId, el } from "./dom.js";
import { actingText, Feed } from "./feed.js";
import { t } from "./i18n.js";
import { watchForIdleBot } from "./idle.js";
import { Memory } from "./memory.js";
import { openMenu } from "./menu.js";
import { personName, summary } from "./message.js";
import { announce, showAnswer, toast } from "./notices.js";
import { Store } from "./store.js";

const address = new URL("ws", document.baseURI);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";
address.search = "";

const connection = new Connection(address.href);
const store = new Store(connection, new Memory());
const app = byId("app");

// The page's address says who I am and what is open, so that every tab can be somebody else and Back works.

const place = (userId, chatId) =>
  `#/${[userId, chatId].filter((id) => id !== null).map(encodeURIComponent).join("/")}`;

function placeNow() {
  const [user = null, chat = null] = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
  return { user, chat };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The address that the page has followed. Another one is news that its hashchange will bring: until then it must stand.
let followed = null;
const isOnTheWay = () => followed !== null && location.hash !== followed;

function go() {
  followed = location.hash;
  const { user, chat } = placeNow();
  if (user !== null) store.show(user, chat);
}

window.addEventListener("hashchange", go);

function showPlace() {
  if (store.me !== null && !isOnTheWay()) {
    history.replaceState(history.state, "", place(store.me, store.chat));
    followed = location.hash;
  }
  app.dataset.view = store.chat === null ? "list" : "chat";
}

// Failures

function failed(error) {
  if (error instanceof NotConnected) toast(t("Not sent: there is no connection. Your text is kept."), { kind: "error" });
  else toast(error.message, { kind: "error" });
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    failed(error);
  }
}

// The parts

const composer = new Composer(store, { onFailed: failed });

const feed = new Feed(
  { scroller: byId("scroller"), list: byId("messages"), typing: byId("typing"), jump: byId("jump"), empty: byId("chat-empty") },
  store,
  {
    onCommand: (text) => composer.sendText(text),
    onPress: (message, where, data) => attempt(() => store.press(message.msgId, where, data)),
    onMenu: openMessageMenu,
  },
);

acceptFiles(
  { button: byId("attach"), input: byId("attach-input"), field: byId("composer-field"), zone: byId("chat") },
  (file) => composer.sendFile(file),
  (text) => toast(text, { kind: "error" }),
);
watchForIdleBot(byId("idle"), store, () => feed.follow());

new ChatList(store, { chat: (chatId) => place(store.me, chatId) });
new Identity(store, { onSwitch: (userId) => (location.hash = place(userId, store.chat)), onAdd: openPersonDialog });

function openMessageMenu(message, anchor) {
  const items = [{ label: t("Reply"), icon: "reply", run: () => composer.reply(message) }];
  const text = message.text ?? "";
  if (text) items.push({ label: t("Copy text"), icon: "copy", run: () => copy(text) });
  if (store.isMine(message)) {
    if (text) items.push({ label: t("Edit"), icon: "edit", run: () => composer.edit(message) });
    items.push(null, { label: t("Delete"), icon: "delete", danger: true, run: () => attempt(() => store.delete(message.msgId)) });
  }
  openMenu(anchor, items, { label: t("Message actions") });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("Copied"));
  } catch {
    toast(t("The browser does not let this page copy"), { kind: "error" });
  }
}

// The head of the open chat

function renderHead() {
  const chat = store.openChat;
  byId("chat").hidden = chat === null;
  byId("nothing-open").hidden = chat !== null || store.me === null || store.chats.size === 0;
  byId("welcome").hidden = chat !== null || !byId("nothing-open").hidden || !store.greeted;
  if (chat === null) return;
  const acting = store.actingIn(chat.chatId);
  const others = chat.type === "private" ? t("Bot") : t("Members: %(count)s", { count: chat.members.length });
  const there = acting.length > 0 ? actingText(acting, store) : others;
  const subtitle = connection.state === "offline" ? t("No connection, trying again…") : there;
  byId("chat-head").replaceChildren(
    avatar(chat.chatId, chat.title, chatKind(chat, store)),
    el(
      "div",
      { class: "chat-words" },
      el("h2", {}, chat.title),
      el("p", { class: acting.length > 0 ? "acting" : "", title: chat.chatId }, subtitle),
    ),
  );
}

for (const topic of ["open", "chats", "people", "actions"]) store.addEventListener(topic, renderHead);
for (const topic of ["open", "people"]) store.addEventListener(topic, showPlace);

const wide = matchMedia("(min-width: 761px)");
let lastOpen = null;
store.addEventListener("open", () => {
  // With room for both panes the first bot is open from the start.
  const [first] = store.chats.keys();
  if (store.chat === null && first !== undefined && wide.matches && !isOnTheWay()) location.replace(place(store.me, first));
  const key = JSON.stringify([store.me, store.chat]);
  if (store.chat !== null && key !== lastOpen && wide.matches) composer.focus();
  lastOpen = key;
});

byId("back").addEventListener("click", () => (location.hash = place(store.me, null)));

// What happens elsewhere

store.addEventListener("arrived", ({ detail: { chat, message } }) => {
  const author = personName(message.from, store);
  const text = summary(message, (userId) => store.nameOf(userId));
  const where = chat.chatId === store.chat || chat.type === "private" ? author : `${author}, ${chat.title}`;
  announce(`${where}: ${text}`);
});
store.addEventListener("answer", ({ detail }) => showAnswer(detail, detail.botName));
store.addEventListener("late", () => toast(t("The bot has not answered the button within 30 seconds"), { kind: "error" }));

// The connection

const statusBar = byId("status");
byId("retry").addEventListener("click", () => connection.retryNow());

connection.addEventListener("state", ({ detail: state }) => {
  composer.online = state === "online";
  app.dataset.connection = state;
  statusBar.hidden = state === "online";
  renderHead();
});

// A person more

const personDialog = byId("person");

function openPersonDialog() {
  personDialog.querySelector("form").reset();
  personDialog.showModal();
}

byId("person-cancel").addEventListener("click", () => personDialog.close());
personDialog.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { firstName, lastName } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    const { userId } = await store.addUser(firstName.trim(), lastName.trim());
    personDialog.close();
    location.hash = place(userId, store.chat);
  });
});

// "/" goes to the field.

document.addEventListener("keydown", (event) => {
  const free = !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.altKey;
  const writing = event.target.closest?.("input, textarea, dialog, [popover]");
  if (!free || store.chat === null) return;
  if (event.key === "/" && !writing) {
    event.preventDefault();
    composer.focus();
  }
});

go();
connection.open();
feed.render();

// What the page knows, and the only place that changes it. Views listen to topics and read the fields.

import { commandsIn } from "./text.js";

const PAGE = 60;
const MOST_SHOWN = 1000;
const KEPT_SHOWN = 700;
const ACTION_MS = 10_000;
const ANSWER_MS = 30_000;

/**
 * Fires `people` (who there is, who I am), `chats`, `open` (another chat), `messages` (of the open chat), `actions`,
 * `pressed`, `answer` (detail: the answer to my press), `late` (a press nobody answered), `arrived` (detail: a message of
 * somebody else).
 */
export class Store extends EventTarget {
  #connection;
  #memory;
  #wanted;
  #acting = new Map();
  #reentering = false;

  constructor(connection, memory) {
    super();
    this.#connection = connection;
    this.#memory = memory;
    this.#wanted = { user: memory.user, chat: null };
    this.greeted = false;
    this.me = null;
    this.users = new Map();
    this.bots = new Map();
    this.chats = new Map();
    this.chat = null;
    this.messages = null;
    this.more = false;
    this.pressed = new Map();
    connection.addEventListener("push", ({ detail }) => this.#pushed(detail));
    // Answers that come meanwhile are lost.
    connection.addEventListener("state", () => this.#releaseAll());
  }

  // Reading

  nameOf(userId) {
    return this.users.get(userId)?.name ?? this.bots.get(userId)?.name ?? userId;
  }

  /** Chats, the most recently used first. */
  chatList() {
    const recency = (chat) => chat.last?.timestamp ?? 0;
    return [...this.chats.values()].sort((one, other) => recency(other) - recency(one));
  }

  get openChat() {
    return this.chats.get(this.chat) ?? null;
  }

  kindOf(userId) {
    return this.bots.has(userId) ? "bot" : "person";
  }

  /** Commands that the bots of the open chat declare, then those that their messages name. */
  commands() {
    const known = new Map();
    for (const member of this.openChat?.members ?? []) {
      for (const { command, description } of this.bots.get(member.userId)?.commands ?? []) {
        known.set(command, description);
      }
    }
    for (const message of this.messages ?? []) {
      if (!this.bots.has(message.from.userId)) continue;
      for (const command of commandsIn(message.text)) if (!known.has(command)) known.set(command, "");
    }
    return [...known].map(([command, description]) => ({ command, description }));
  }

  /** Who is doing what in a chat just now: [{userId, action}]. */
  actingIn(chatId) {
    return [...(this.#acting.get(chatId) ?? [])].map(([userId, { action }]) => ({ userId, action }));
  }

  isMine(message) {
    return message.from.userId === this.me;
  }

  // Doing

  /** Become a user and open one of their chats (null: none). */
  async show(userId, chatId) {
    this.#wanted = { user: userId, chat: chatId };
    if (!this.greeted) return;
    if (userId === this.me) await this.#open(chatId);
    else await this.#enter(userId);
  }

  async loadOlder() {
    if (!this.more || !this.messages?.length) return;
    const { chat, me } = this;
    const before = this.messages[0].msgId;
    const page = await this.#connection.request("history", { chat, before, limit: PAGE });
    if (this.chat !== chat || this.me !== me) return;
    this.messages = [...page.messages, ...this.messages];
    this.more = page.more;
    this.#fire("messages");
  }

  write(text, { replyTo = null, file = null } = {}) {
    return this.#connection.request("write", { chat: this.chat, text, replyTo, file });
  }

  /** How many events of the open chat its bots have not come for. */
  async pending() {
    return (await this.#connection.request("pending", { chat: this.chat })).pending;
  }

  edit(msgId, text) {
    return this.#connection.request("edit", { chat: this.chat, msgId, text });
  }

  delete(msgId) {
    return this.#connection.request("delete", { chat: this.chat, msgId });
  }

  addUser(firstName, lastName) {
    return this.#connection.request("addUser", { firstName, lastName });
  }

  async press(msgId, place, data) {
    const key = pressKey(msgId, place);
    if (this.pressed.has(key)) return;
    const timer = setTimeout(() => {
      this.#release(key);
      this.#fire("late");
    }, ANSWER_MS);
    this.pressed.set(key, { queryId: null, timer });
    this.#fire("pressed");
    try {
      const { queryId } = await this.#connection.request("press", { chat: this.chat, msgId, data });
      const pressed = this.pressed.get(key);
      if (pressed) pressed.queryId = queryId;
    } catch (error) {
      this.#release(key);
      throw error;
    }
  }

  isPressed(msgId, place) {
    return this.pressed.has(pressKey(msgId, place));
  }

  /** Everything in the open chat has been seen. */
  markRead() {
    const chat = this.openChat;
    const last = this.messages?.at(-1);
    if (!chat || !last) return;
    if (this.#memory.readOf(this.me)[chat.chatId] !== last.msgId) {
      this.#memory.markRead(this.me, chat.chatId, last.msgId);
    }
    if (chat.unread === 0) return;
    chat.unread = 0;
    this.#fire("chats");
  }

  // What the server says

  #pushed(event) {
    if (event.event === "people") return this.#greeted(event);
    if (event.user !== this.me) return undefined;
    const handlers = {
      message: () => this.#arrived(event.chat, event.message),
      edited: () => this.#edited(event.chat, event.message),
      deleted: () => this.#deleted(event.chat, event.msgId, event.last),
      action: () => this.#acts(event.chat, event.from, event.action),
      answer: () => this.#answered(event),
    };
    return handlers[event.event]?.();
  }

  #greeted({ users, bots }) {
    this.users = new Map(users.map((user) => [user.userId, user]));
    this.bots = new Map(bots.map((bot) => [bot.userId, bot]));
    this.greeted = true;
    this.#fire("people");
    return this.#again();
  }

  /** Ask for everything anew, once, however many reasons there are at the moment. */
  async #again() {
    if (this.#reentering || !this.greeted) return;
    this.#reentering = true;
    await Promise.resolve();
    this.#reentering = false;
    const wanted = [this.#wanted.user, this.me, ...this.users.keys()].find((userId) => this.users.has(userId));
    if (wanted === undefined) {
      this.me = null;
      this.chats = new Map();
      await this.#open(null);
    } else {
      await this.#enter(wanted);
    }
  }

  async #enter(userId) {
    const sameUser = this.me === userId;
    const wantedChat = this.#wanted.user === userId || this.#wanted.user === null ? this.#wanted.chat : null;
    this.#wanted = { user: userId, chat: wantedChat };
    if (!sameUser) {
      this.chats = new Map();
      this.chat = null;
      this.messages = null;
      this.#acting.clear();
      this.#releaseAll();
    }
    this.me = userId;
    this.#fire("people");
    let entered;
    try {
      entered = await this.#connection.request("enter", { user: userId, read: this.#memory.readOf(userId) });
    } catch {
      return; // The connection is gone, or the user is: the next greeting starts over.
    }
    if (this.me !== userId) return;
    this.#memory.user = userId;
    this.chats = new Map(entered.chats.map((chat) => [chat.chatId, chat]));
    this.#fire("chats");
    await this.#open(this.#wanted.chat, sameUser);
  }

  async #open(chatId, again = false) {
    const known = this.chats.has(chatId) ? chatId : null;
    const kept = again && known !== null && known === this.chat && this.messages !== null;
    if (!again && known !== null && known === this.chat) return;
    this.chat = known;
    if (!kept) {
      this.messages = null;
      this.more = false;
    }
    this.#fire("open");
    if (known === null) return;
    const { me } = this;
    const limit = Math.max(PAGE, kept ? this.messages.length : 0);
    let page;
    try {
      page = await this.#connection.request("history", { chat: known, limit });
    } catch {
      return; // As above.
    }
    if (this.me !== me || this.chat !== known) return;
    this.messages = page.messages;
    this.more = page.more;
    this.#fire("messages");
  }

  #arrived(chatId, message) {
    const chat = this.chats.get(chatId);
    if (!chat) return this.#again();
    chat.last = message;
    this.#acting.get(chatId)?.delete(message.from.userId);
    if (!this.isMine(message)) chat.unread += 1;
    if (chatId === this.chat && this.messages) {
      this.messages = [...this.messages.filter((known) => known.msgId !== message.msgId), message];
      if (this.messages.length > MOST_SHOWN) {
        this.messages = this.messages.slice(-KEPT_SHOWN);
        this.more = true;
      }
      this.#fire("messages");
      this.#fire("actions");
    }
    this.#fire("chats");
    if (!this.isMine(message)) this.#fire("arrived", { chat, message });
    return undefined;
  }

  #edited(chatId, message) {
    const chat = this.chats.get(chatId);
    if (chat?.last?.msgId === message.msgId) {
      chat.last = message;
      this.#fire("chats");
    }
    if (chatId !== this.chat || !this.messages) return;
    this.messages = this.messages.map((known) => (known.msgId === message.msgId ? message : known));
    this.#fire("messages");
  }

  #deleted(chatId, msgId, last) {
    const chat = this.chats.get(chatId);
    if (chat) {
      chat.last = last;
      this.#fire("chats");
    }
    if (chatId !== this.chat || !this.messages) return;
    const gone = { text: "", format: {}, parts: [], inlineKeyboardMarkup: null, deleted: true };
    this.messages = this.messages.map((known) => (known.msgId === msgId ? { ...known, ...gone } : known));
    this.#fire("messages");
  }

  #acts(chatId, userId, action) {
    if (userId === this.me) return;
    const acting = this.#acting.get(chatId) ?? new Map();
    this.#acting.set(chatId, acting);
    clearTimeout(acting.get(userId)?.timer);
    acting.delete(userId);
    if (action !== null) {
      const timer = setTimeout(() => {
        acting.delete(userId);
        this.#fire("actions");
        this.#fire("chats");
      }, ACTION_MS);
      acting.set(userId, { action, timer });
    }
    this.#fire("actions");
    this.#fire("chats");
  }

  #answered(answer) {
    for (const [key, { queryId }] of this.pressed) if (queryId === answer.queryId) this.#release(key);
    this.#fire("answer", answer);
  }

  #release(key) {
    clearTimeout(this.pressed.get(key)?.timer);
    if (this.pressed.delete(key)) this.#fire("pressed");
  }

  #releaseAll() {
    for (const key of [...this.pressed.keys()]) this.#release(key);
  }

  #fire(topic, detail = null) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }
}

const pressKey = (msgId, place) => `${msgId} ${place}`;

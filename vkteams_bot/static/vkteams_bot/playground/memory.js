// What this browser remembers: who it was last, and how far each user has read. Works without storage, too.

const KEY = "vkteams_bot.playground";

export class Memory {
  #data = { user: null, read: {} };

  constructor() {
    try {
      const stored = JSON.parse(localStorage.getItem(KEY));
      if (stored && typeof stored.read === "object" && stored.read !== null) this.#data = stored;
    } catch {
      // Storage is off, or somebody else wrote there.
    }
  }

  get user() {
    return this.#data.user;
  }

  set user(userId) {
    this.#data.user = userId;
    this.#save();
  }

  /** The last message read, by chat. */
  readOf(userId) {
    return this.#data.read[userId] ?? {};
  }

  markRead(userId, chatId, msgId) {
    this.#data.read[userId] = { ...this.readOf(userId), [chatId]: msgId };
    this.#save();
  }

  #save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#data));
    } catch {
      // As above.
    }
  }
}

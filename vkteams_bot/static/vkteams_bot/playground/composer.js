// Where messages are written: a growing field, quoting and editing, suggestions after "/" and "@".

import { byId, el } from "./dom.js";
import { t } from "./i18n.js";
import { personName, summary } from "./message.js";
import { Suggestions } from "./suggestions.js";

const TALLEST = 200;

/** `actions`: onFailed(error). Drafts are kept per user and chat until the page is left. */
export class Composer {
  #store;
  #form = byId("composer");
  #field = byId("composer-field");
  #send = byId("composer-send");
  #banner = byId("composer-banner");
  #suggestions;
  #drafts = new Map();
  #place = null;
  #replyTo = null;
  #editing = null;
  #online = false;
  #onFailed;
  #sending = false;

  constructor(store, { onFailed }) {
    this.#store = store;
    this.#onFailed = onFailed;
    this.#suggestions = new Suggestions(this.#field, byId("suggestions"), store, () => this.#changed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("input", () => this.#changed());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    byId("composer-cancel").addEventListener("click", () => this.#cancel());
    store.addEventListener("open", () => this.#opened());
    store.addEventListener("messages", () => this.#stillThere());
  }

  set online(online) {
    this.#online = online;
    this.#changed();
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  reply(message) {
    this.#cancel();
    this.#replyTo = message;
    this.#showBanner(personName(message.from, this.#store), message);
    this.focus();
  }

  edit(message) {
    this.#cancel();
    this.#editing = message;
    this.#drafts.set(this.#place, this.#field.value);
    this.#write(message.text ?? "");
    this.#showBanner(t("Editing"), message);
    this.focus();
  }

  /** Send this text at once; a draft stays where it is. */
  async sendText(text) {
    try {
      await this.#store.write(text);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  /** A file goes with what is written as its caption. */
  async sendFile(file) {
    if (this.#editing) return;
    const caption = this.#field.value.trim();
    try {
      await this.#store.write(caption, { file, replyTo: this.#replyTo?.msgId ?? null });
    } catch (error) {
      this.#onFailed(error);
      return;
    }
    this.#cancel();
    this.#write("");
  }

  async #submit() {
    const text = this.#field.value.trim();
    if (!text || !this.#online || this.#sending) return;
    const place = this.#place;
    this.#sending = true;
    try {
      if (this.#editing) await this.#store.edit(this.#editing.msgId, text);
      else await this.#store.write(text, { replyTo: this.#replyTo?.msgId ?? null });
    } catch (error) {
      this.#onFailed(error);
      return;
    } finally {
      this.#sending = false;
    }
    if (place !== this.#place) {
      this.#drafts.delete(place);
      return;
    }
    const wasEditing = this.#editing !== null;
    this.#cancel();
    if (!wasEditing) this.#write("");
  }

  #opened() {
    const place = this.#store.chat === null ? null : JSON.stringify([this.#store.me, this.#store.chat]);
    if (place === this.#place) return;
    if (this.#place !== null && !this.#editing) this.#drafts.set(this.#place, this.#field.value);
    this.#dismiss();
    this.#place = place;
    this.#write(this.#drafts.get(place) ?? "");
    this.#field.setAttribute("placeholder", t("Message"));
  }

  /** What is quoted or edited may be deleted meanwhile. */
  #stillThere() {
    const about = this.#editing ?? this.#replyTo;
    if (!about || !this.#store.messages) return;
    if (!this.#store.messages.some((message) => message.msgId === about.msgId && !message.deleted)) this.#cancel();
  }

  #cancel() {
    const wasEditing = this.#editing !== null;
    this.#dismiss();
    if (wasEditing) this.#write(this.#drafts.get(this.#place) ?? "");
  }

  #dismiss() {
    this.#editing = null;
    this.#replyTo = null;
    this.#banner.hidden = true;
    this.#form.classList.remove("editing");
  }

  #showBanner(title, message) {
    const words = byId("composer-about");
    const text = summary(message, (userId) => this.#store.nameOf(userId));
    words.replaceChildren(el("strong", {}, title), el("span", {}, text));
    this.#form.classList.toggle("editing", this.#editing !== null);
    this.#banner.hidden = false;
    this.#changed();
  }

  #write(text) {
    this.#field.value = text;
    this.#field.setSelectionRange(text.length, text.length);
    this.#changed();
  }

  #changed() {
    this.#grow();
    this.#send.disabled = !this.#online || this.#field.value.trim() === "";
    this.#send.setAttribute("aria-label", this.#editing ? t("Save") : t("Send"));
    this.#suggestions.update();
  }

  #grow() {
    const { style } = this.#field;
    style.height = "auto";
    const needed = this.#field.scrollHeight; // 0 while no chat shows: one row then
    if (needed > 0) style.height = `${Math.min(TALLEST, needed)}px`;
    this.#field.classList.toggle("tall", needed > TALLEST);
  }

  #key(event) {
    if (event.isComposing || this.#suggestions.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && (this.#editing || this.#replyTo)) {
      event.preventDefault();
      event.stopPropagation();
      this.#cancel();
    } else if (event.key === "ArrowUp" && this.#field.value === "" && !this.#editing) {
      const mine = this.#store.messages?.findLast((message) => this.#store.isMine(message) && message.text);
      if (!mine) return;
      event.preventDefault();
      this.edit(mine);
    }
  }
}

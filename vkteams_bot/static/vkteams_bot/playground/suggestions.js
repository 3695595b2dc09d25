// Commands after "/" at the start of a text, people after "@". With nothing to suggest, nothing shows.

import { avatar, el } from "./dom.js";

const MOST = 8;

/** A listbox over a textarea, which keeps the focus and names the chosen option. */
export class Suggestions {
  #field;
  #box;
  #store;
  #changed;
  #items = [];
  #chosen = 0;
  #dismissed = null;

  constructor(field, box, store, changed) {
    this.#field = field;
    this.#box = box;
    this.#store = store;
    this.#changed = changed;
    field.addEventListener("blur", () => this.#close());
    field.addEventListener("focus", () => this.update());
    // The field keeps its focus while an option is clicked.
    box.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  update() {
    const value = this.#field.value;
    if (value !== this.#dismissed) this.#dismissed = null;
    const found = this.#dismissed === null && document.activeElement === this.#field ? this.#find() : [];
    const before = this.#items[this.#chosen]?.insert;
    this.#items = found;
    // What is typed in full is what Enter sends, also when it begins a longer command.
    const typed = this.#before();
    const complete = found.findIndex((item) => item.insert.trimEnd() === typed);
    this.#chosen = complete >= 0 ? complete : Math.max(0, found.findIndex((item) => item.insert === before));
    this.#render();
  }

  /** Take a key if it is for the list. */
  key(event) {
    if (this.#items.length === 0) return false;
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : this.#items.length - 1;
      this.#chosen = (this.#chosen + step) % this.#items.length;
      this.#render();
    } else if (key === "Tab" && !event.shiftKey) {
      this.#take(this.#items[this.#chosen]);
    } else if (key === "Enter" && !event.shiftKey && !this.#complete()) {
      this.#take(this.#items[this.#chosen]);
    } else if (key === "Escape") {
      this.#dismissed = this.#field.value;
      this.#close();
    } else {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #before() {
    return this.#field.value.slice(0, this.#field.selectionStart);
  }

  #complete() {
    return this.#before() === this.#items[this.#chosen].insert.trimEnd();
  }

  #find() {
    const before = this.#before();
    const command = /^\/\w*$/.exec(before);
    if (command) {
      const typed = before.toLowerCase();
      const known = this.#store.commands().filter((one) => one.command.toLowerCase().startsWith(typed));
      return known.slice(0, MOST).map(({ command: name, description }) => ({
        insert: `${name} `, length: before.length, label: name, note: description, lead: null,
      }));
    }
    const mention = /(?:^|\s)@([\p{L}\p{N}_.-]*)$/u.exec(before);
    if (!mention || this.#store.openChat?.type === "private") return [];
    const typed = mention[1].toLocaleLowerCase();
    const people = (this.#store.openChat?.members ?? []).filter(({ userId }) => userId !== this.#store.me);
    const named = people.map(({ userId }) => ({ userId, name: this.#store.nameOf(userId) }));
    const fits = ({ userId, name }) => [name, userId].some((text) => text.toLocaleLowerCase().includes(typed));
    return named.filter(fits).slice(0, MOST).map(({ userId, name }) => ({
      insert: `@[${userId}] `, length: mention[1].length + 1, label: name, note: userId,
      lead: avatar(userId, name, this.#store.kindOf(userId)),
    }));
  }

  #take(item) {
    const end = this.#field.selectionStart;
    this.#field.setRangeText(item.insert, end - item.length, end, "end");
    this.#changed();
  }

  #close() {
    this.#items = [];
    this.#render();
  }

  #render() {
    const open = this.#items.length > 0;
    this.#box.hidden = !open;
    this.#box.replaceChildren(...this.#items.map((item, index) => this.#option(item, index)));
    if (open) this.#field.setAttribute("aria-activedescendant", `suggestion-${this.#chosen}`);
    else this.#field.removeAttribute("aria-activedescendant");
    this.#box.children[this.#chosen]?.scrollIntoView({ block: "nearest" });
  }

  #option(item, index) {
    const chosen = index === this.#chosen;
    return el(
      "div",
      { id: `suggestion-${index}`, class: "suggestion", role: "option", "aria-selected": String(chosen), on: { click: () => this.#take(item) } },
      item.lead,
      el("span", { class: "suggestion-label" }, item.label),
      item.note ? el("small", {}, item.note) : null,
    );
  }
}

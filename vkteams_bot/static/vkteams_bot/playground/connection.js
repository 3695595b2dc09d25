// The websocket: numbered requests, pushed events, reconnecting with back-off. The protocol stands in page/consumer.py.

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 10_000;

/**
 * Fires `state` (detail: "connecting", "online" or "offline") and `push` (detail: an event of the server).
 * A request that meets a closed connection, or loses it, is rejected with NotConnected.
 */
export class Connection extends EventTarget {
  #address;
  #socket = null;
  #waiting = new Map();
  #lastId = 0;
  #failures = 0;
  #timer = null;

  constructor(address) {
    super();
    this.#address = address;
    this.state = "connecting";
    window.addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
  }

  open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#become("connecting");
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#failures = 0;
      this.#become("online");
    });
    socket.addEventListener("message", (message) => this.#received(JSON.parse(message.data)));
    socket.addEventListener("close", () => this.#closed());
  }

  /** Try at once instead of waiting for the end of the back-off. */
  retryNow() {
    if (this.#timer !== null) this.open();
  }

  request(operation, parameters = {}) {
    if (this.state !== "online") return Promise.reject(new NotConnected());
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, do: operation, ...parameters }));
    });
  }

  #received(message) {
    if ("event" in message) {
      this.dispatchEvent(new CustomEvent("push", { detail: message }));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.result);
    else waiting?.reject(new Refused(message.error));
  }

  #closed() {
    for (const { reject } of this.#waiting.values()) reject(new NotConnected());
    this.#waiting.clear();
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(), delay);
    this.#become("offline");
  }

  #become(state) {
    // While it tries again after a failure it is still offline to the reader: no flicker.
    if (state === "connecting" && this.#failures > 0) return;
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

export class NotConnected extends Error {}

/** The server said no; the message says why. */
export class Refused extends Error {}

"use strict";
// Follows a broadcast and draws what the server sends: over a websocket if there is one, else by asking every two seconds.
const POLL_MILLISECONDS = 2000;
const DETAILS_MILLISECONDS = 2000;
const REFRESH_MILLISECONDS = 60000; // quiet hours begin and end without anybody's doing
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;
// Close codes of live/consumers.py. After any other, the page connects again.
const OVER = 4200;
const DENIED = 4403;
const GONE = 4404;
const RENEW = 4408;

const follow = (root) => {
  const language = document.documentElement.lang || "en";
  const whole = new Intl.NumberFormat(language);
  const small = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const bar = root.querySelector(".vkt-bar");
  const state = root.querySelector(".vkt-connection");
  const details = document.getElementById("vkt-details");
  root.querySelectorAll(".vkt-only-script").forEach((node) => node.removeAttribute("hidden"));

  const formats = {
    count: (number) => whole.format(number),
    rate: (number) => (number < 10 ? small : whole).format(number),
    clock: (seconds) => {
      const pad = (number) => String(number).padStart(2, "0");
      const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
      return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
    },
  };
  let detailed;
  let meter = ""; // given back to the server, which measures the rate
  const show = (snapshot) => {
    for (const node of root.querySelectorAll("[data-number]")) {
      const number = snapshot.numbers[node.dataset.number];
      const text = number === null ? "–" : formats[node.dataset.format](number);
      if (node.textContent !== text) node.textContent = text;
    }
    for (const part of bar.querySelectorAll("[data-part]")) {
      const [start, width] = snapshot.bar[part.dataset.part];
      part.setAttribute("x", start);
      part.setAttribute("width", width);
    }
    bar.setAttribute("aria-valuenow", snapshot.percent);
    meter = snapshot.meter ?? meter;
    if (detailed !== undefined && detailed !== snapshot.details) detailsSoon();
    detailed = snapshot.details;
    if (snapshot.is_over) stop("");
  };

  let detailsTimer;
  let detailsNotBefore = 0;
  const detailsSoon = () => {
    detailsTimer ??= setTimeout(showDetails, Math.max(0, detailsNotBefore - Date.now()));
  };
  const purposeOf = (control) => control.href ?? control.form?.action ?? control.tagName;
  const showDetails = async () => {
    detailsTimer = undefined;
    detailsNotBefore = Date.now() + DETAILS_MILLISECONDS;
    try {
      const answer = await fetch(root.dataset.detailsUrl);
      if (!answer.ok || answer.redirected) return;
      const html = await answer.text();
      const wasOpen = details.querySelector("details")?.open;
      const focused = details.contains(document.activeElement) ? purposeOf(document.activeElement) : null;
      details.innerHTML = html;
      const controls = [...details.querySelectorAll("a, button, summary")];
      controls.find((node) => purposeOf(node) === focused)?.focus();
      details.querySelector("details")?.toggleAttribute("open", wasOpen === true);
    } catch {
      detailsSoon();
    }
  };

  const say = (text, live) => {
    state.textContent = text;
    state.classList.toggle("vkt-is-live", live);
  };
  let following = true;
  let gone = false;
  let socket;
  let pause = FIRST_PAUSE;
  const stop = (text) => {
    following = false;
    socket?.close();
    say(text, false);
  };
  const stopGone = () => {
    gone = true;
    stop(root.dataset.gone);
  };
  const connect = () => {
    if (!following) return;
    const address = new URL(root.dataset.socket, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = (socket = new WebSocket(address));
    mine.addEventListener("message", (event) => {
      pause = FIRST_PAUSE;
      say(root.dataset.live, true);
      show(JSON.parse(event.data));
    });
    mine.addEventListener("close", (event) => {
      if (!following || socket !== mine) return;
      if (event.code === OVER) return stop("");
      if (event.code === DENIED) return stop(root.dataset.denied);
      if (event.code === GONE) return stopGone();
      if (event.code !== RENEW) say("", false);
      setTimeout(connect, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    });
  };

  const poll = async () => {
    const isNeeded = () => following && socket?.readyState !== WebSocket.OPEN;
    if (!isNeeded() || document.hidden) return;
    try {
      const answer = await fetch(`${root.dataset.snapshotUrl}?${new URLSearchParams({ meter })}`);
      if (!isNeeded()) return;
      if (answer.redirected || answer.status === 403) stop(root.dataset.denied);
      else if (answer.status === 404) stopGone();
      else if (!answer.ok) throw new Error(String(answer.status));
      else {
        const snapshot = await answer.json();
        if (!isNeeded()) return;
        say(root.dataset.polling, false);
        show(snapshot);
      }
    } catch {
      if (isNeeded()) say(root.dataset.lost, false);
    }
  };

  show(JSON.parse(document.getElementById("vkt-snapshot").textContent));
  connect();
  setInterval(poll, POLL_MILLISECONDS);
  setInterval(() => following && detailsSoon(), REFRESH_MILLISECONDS);
  // Who comes back to the page may have signed in elsewhere, and somebody may have retried a finished broadcast.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || following || gone) return;
    following = true;
    await poll();
    connect();
  });
};

document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("vkt-progress");
  if (root) follow(root);
  // A second click must not ask a second time; the server would refuse it, too.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(".vkt-once")) return;
    for (const button of event.target.querySelectorAll("button")) setTimeout(() => (button.disabled = true));
  });
});

"use strict";
// Follows a broadcast: over a websocket if there is one, else by asking every two seconds.
const POLL_MILLISECONDS = 2000;
const METER_SECONDS = 10;
const DETAILS_MILLISECONDS = 2000;
const REFRESH_MILLISECONDS = 60000; // quiet hours begin and end without anybody's doing
const LONGEST_PAUSE = 30000;
const PARTS = ["sent", "failed", "unknown", "dropped"];
const WIDTH = 1000; // of the bar

const follow = (root) => {
  const language = document.documentElement.lang || "en";
  const whole = new Intl.NumberFormat(language);
  const small = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const bar = root.querySelector(".vkt-bar");
  const state = root.querySelector(".vkt-connection");
  const details = document.getElementById("vkt-details");
  let seen = [];
  let detailsTimer;
  let detailsNotBefore = 0;
  root.querySelectorAll(".vkt-only-script").forEach((node) => node.removeAttribute("hidden"));

  const put = (name, text) => {
    const node = root.querySelector(`[data-number="${name}"]`);
    if (node.textContent !== text) node.textContent = text;
  };

  /** Messages per second over the last METER_SECONDS; a retry or a pause begins anew. */
  const rateOf = (now) => {
    const last = seen.at(-1);
    if (last && (last.done > now.done || last.status !== now.status)) seen = [];
    seen.push(now);
    while (seen.length > 2 && now.at - seen[1].at >= METER_SECONDS) seen.shift();
    const seconds = now.at - seen[0].at;
    return seconds > 0 && now.status === "running" ? (now.done - seen[0].done) / seconds : null;
  };
  const clock = (seconds) => {
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
    return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
  };

  const show = (now) => {
    const left = now.total - now.done;
    for (const name of [...PARTS, "total"]) put(name, whole.format(now[name]));
    put("left", whole.format(left));
    let at = 0;
    for (const name of PARTS) {
      const width = now.total ? (WIDTH * now[name]) / now.total : 0;
      const part = bar.querySelector(`.vkt-part-${name}`);
      part.setAttribute("x", at.toFixed(1));
      part.setAttribute("width", width.toFixed(1));
      at += width;
    }
    bar.setAttribute("aria-valuenow", String(now.total ? Math.floor((100 * now.done) / now.total) : 0));
    const rate = rateOf(now);
    put("rate", rate === null ? "–" : (rate < 10 ? small : whole).format(rate));
    put("eta", rate ? clock(left / rate) : "–");
    const detail = detailOf(now);
    if (detail !== detailed) {
      detailed = detail;
      detailsSoon();
    }
  };

  const detailOf = (now) => [now.status, now.failed, now.unknown, now.error, now.action].join("\n");
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
      detailed = ""; // with the next snapshot again
    }
  };
  const say = (text, live) => {
    state.textContent = text;
    state.classList.toggle("vkt-is-live", live);
  };

  let socket;
  let pause = 1000;
  const connect = () => {
    const address = new URL(root.dataset.socket, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    socket.addEventListener("open", () => {
      pause = 1000;
      say(root.dataset.live, true);
    });
    socket.addEventListener("message", (event) => show(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      say("", false);
      setTimeout(connect, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    });
  };

  const poll = async () => {
    if (socket?.readyState === WebSocket.OPEN || document.hidden) return;
    try {
      const answer = await fetch(root.dataset.snapshotUrl);
      if (answer.redirected || answer.status === 403) say(root.dataset.denied, false);
      else if (!answer.ok) throw new Error(String(answer.status));
      else {
        const now = await answer.json();
        if (socket?.readyState === WebSocket.OPEN) return;
        say(root.dataset.polling, false);
        show(now);
      }
    } catch {
      say(root.dataset.lost, false);
    }
  };

  const first = JSON.parse(document.getElementById("vkt-snapshot").textContent);
  let detailed = detailOf(first);
  show(first);
  connect();
  setInterval(poll, POLL_MILLISECONDS);
  setInterval(detailsSoon, REFRESH_MILLISECONDS);
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

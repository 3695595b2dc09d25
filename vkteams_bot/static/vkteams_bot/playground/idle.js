// Says so when events of the open chat wait for a bot that does not come for them.

import { el } from "./dom.js";
import { t } from "./i18n.js";

const EVERY_MS = 3000;

export function watchForIdleBot(box, store, whenShown) {
  let waited = 0;

  const show = (shown) => {
    if (box.hidden === !shown) return;
    box.hidden = !shown;
    if (!shown) return;
    box.replaceChildren(t("The bot has not come for this yet. Is it running?"), " ", el("code", {}, "manage.py runbot"));
    whenShown();
  };

  const look = async () => {
    const { chat } = store;
    const pending = chat === null ? 0 : await store.pending();
    waited = pending > 0 && chat === store.chat ? waited + 1 : 0;
    show(waited > 1);
  };

  store.addEventListener("open", () => {
    waited = 0;
    show(false);
  });
  setInterval(() => {
    if (!document.hidden) look().catch(() => {}); // No connection: the page says that elsewhere.
  }, EVERY_MS);
}

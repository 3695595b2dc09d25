"use strict";
// Beside the form of a broadcast: the message as recipients see it, and how many those are.
const LONGEST_PREVIEWED = 65536;
const LONGEST_FIELD = 1000000; // Django refuses forms whose fields have more than 2.5 MB; files may be larger

const compose = (root) => {
  const form = root.closest("form");
  const field = (name) => form.elements.namedItem(name);
  root.querySelectorAll(".vkt-only-script").forEach((node) => node.removeAttribute("hidden"));

  /** Show what the server makes of the form; a newer question replaces the older. */
  const asker = (target, url, pack) => {
    let running;
    return async () => {
      running?.abort();
      const mine = (running = new AbortController());
      target.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url, { method: "POST", body: pack(new FormData(form)), signal: mine.signal });
        if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        target.innerHTML = await answer.text();
      } catch {
        if (mine.signal.aborted) return;
        target.textContent = root.dataset.failed;
      }
      target.removeAttribute("aria-busy");
    };
  };
  const later = (act, milliseconds) => {
    let timer;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(act, milliseconds);
    };
  };

  /** The file itself need not travel: its name shows. Of a list the first lines are enough. */
  const forPreview = (data) => {
    const file = data.get("file");
    if (file instanceof File && file.name) data.set("file", new File(["-"], file.name));
    const list = data.get("recipients_file");
    if (list instanceof File && list.name) data.set("recipients_file", list.slice(0, LONGEST_PREVIEWED), list.name);
    data.set("recipients", String(data.get("recipients") ?? "").slice(0, LONGEST_PREVIEWED));
    return data;
  };
  const forAudience = (data) => {
    const list = String(data.get("recipients") ?? "");
    const file = data.get("recipients_file");
    if (list.length > LONGEST_FIELD && !(file instanceof File && file.name)) {
      data.set("recipients_file", new File([list], "list.csv"));
      data.set("recipients", "");
    }
    data.delete("file");
    return data;
  };

  const showPreview = asker(root.querySelector("#vkt-preview"), root.dataset.previewUrl, forPreview);
  const showAudience = asker(root.querySelector("#vkt-audience"), root.dataset.audienceUrl, forAudience);
  const previewSoon = later(showPreview, 300);
  const audienceSoon = later(showAudience, 300);

  const showFields = () => {
    const rows = { segment: ["segment"], list: ["recipients", "recipients_file"] };
    for (const [audience, names] of Object.entries(rows)) {
      for (const name of names) {
        const row = form.querySelector(`.field-${name}`);
        if (row) row.hidden = field("audience").value !== audience;
      }
    }
    root.querySelector("#vkt-preview-chat").hidden = !field("is_template").checked;
  };

  const counted = new Set(["account", "audience", "segment", "recipients", "recipients_file", "exclude_unreachable"]);
  form.addEventListener("input", previewSoon);
  form.addEventListener("change", (event) => {
    showFields();
    previewSoon();
    if (counted.has(event.target.name)) audienceSoon();
  });
  root.querySelector("#vkt-count").addEventListener("click", showAudience);
  form.addEventListener("submit", () => {
    const list = field("recipients");
    const file = field("recipients_file");
    if (list.value.length <= LONGEST_FIELD || file.files.length > 0) return;
    const carrier = new DataTransfer();
    carrier.items.add(new File([list.value], "list.csv"));
    file.files = carrier.files;
    list.value = "";
  });
  showFields();
  showPreview();
  showAudience();
};

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".vkt-compose").forEach(compose));

// Sending a file: chosen, pasted or dropped.

import { t } from "./i18n.js";

const LARGEST = 10 * 1024 * 1024;

/** Calls `send({name, content})`, content in base64, for each file; `fail(text)` for one that cannot be sent. */
export function acceptFiles({ button, input, field, zone }, send, fail) {
  const take = async (files) => {
    for (const file of files) {
      if (file.size > LARGEST) fail(t("The file is larger than 10 MB"));
      else if (file.size === 0) fail(t("The file is empty"));
      else await send({ name: file.name, content: await base64(file) });
    }
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = "";
    await take(files);
  });
  field.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take([...event.clipboardData.files]);
  });
  let depth = 0;
  const mark = (step) => {
    depth = Math.max(0, depth + step);
    zone.classList.toggle("dropping", depth > 0);
  };
  zone.addEventListener("dragenter", () => mark(1));
  zone.addEventListener("dragleave", () => mark(-1));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    mark(0);
    take([...event.dataTransfer.files]);
  });
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

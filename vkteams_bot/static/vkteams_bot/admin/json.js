"use strict";
// Checks the JSON of a conversation while one types. The server checks it again.
const watch = (area) => {
  const bar = document.createElement("div");
  bar.className = "vkt-json-bar";
  const format = document.createElement("button");
  format.type = "button";
  format.className = "button";
  format.textContent = area.dataset.format;
  const state = document.createElement("span");
  state.className = "vkt-json-state";
  state.setAttribute("role", "status");
  bar.append(format, state);
  const box = document.createElement("div");
  box.className = "vkt-json-box";
  area.replaceWith(box);
  box.append(area, bar);

  const read = () => {
    const value = JSON.parse(area.value.trim() || "{}");
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(area.dataset.notObject);
    return value;
  };
  const check = () => {
    let problem = "";
    try {
      read();
    } catch (error) {
      problem = error.message;
    }
    state.textContent = problem || area.dataset.valid;
    state.classList.toggle("vkt-wrong", problem !== "");
    area.setAttribute("aria-invalid", String(problem !== ""));
    // Numbers beyond 2^53 would change on the way through JavaScript: such a text is left as it is.
    format.disabled = problem !== "" || /\d{16}/.test(area.value);
  };
  format.addEventListener("click", () => {
    area.value = JSON.stringify(read(), null, 2);
    check();
  });
  area.addEventListener("input", check);
  check();
};
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("textarea.vkt-json").forEach(watch));

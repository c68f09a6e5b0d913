// The script of every task page. A page says what it asks with [data-field] and in which text it marks the answer with
// data-passage; how an answer is shown follows from its kind.

import { ask } from "./api.js";
import { byId } from "./dom.js";
import { listenForFiles } from "./file.js";
import { fields, fillFields, form, listenForEnter, readFields } from "./form.js";
import { listenForCopies, listenForHistory, remember } from "./history.js";
import { showResult } from "./result.js";
import { cancel, isWaiting, waitFor } from "./waiting.js";
import { hideWhy, listenForWhy } from "./why.js";

let current = null; // the answer on show: { values, answer, elapsed }, and { why } once it was asked for

function submit() {
  const values = readFields();
  const started = performance.now();
  return waitFor(async (signal) => {
    try {
      const answer = await ask("api", values, signal);
      show({ values, answer, elapsed: Math.round(performance.now() - started) });
    } catch (problem) {
      byId("result").hidden = true; // an old result would look like the answer
      throw problem;
    }
    remember(current, showAgain);
  });
}

function show(entry) {
  current = entry;
  hideWhy();
  showResult(entry);
}

function showAgain(entry) {
  if (isWaiting()) return;
  fillFields(entry.values);
  show(entry);
  fields[0].focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.querySelectorAll("[data-values]").forEach((chip) => {
  chip.addEventListener("click", () => {
    if (isWaiting()) return;
    fillFields(JSON.parse(chip.dataset.values));
    submit();
  });
});
byId("cancel").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) cancel();
});
fields.forEach((field) => listenForEnter(field, submit));
listenForWhy(() => current);
listenForCopies(() => current);
listenForHistory();
listenForFiles();
if (window.top === window) fields[0].focus(); // inside a notebook the focus stays where it is

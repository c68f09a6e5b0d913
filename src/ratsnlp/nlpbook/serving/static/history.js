// The answers of this visit. They are kept in this window only.

import { flatten } from "./answers.js";
import { saveTable, tabulate } from "./csv.js";
import { button, byId, element } from "./dom.js";
import { describe, form, shownFields } from "./form.js";
import { headlineOf } from "./result.js";

const SHOWN_ENTRIES = 50;

let past = []; // the latest first

/** Add an answer; `onPick(entry)` is called when it is chosen again. */
export function remember(entry, onPick) {
  const same = (one) => describe(one.values) === describe(entry.values);
  past = [entry, ...past.filter((one) => !same(one))];
  byId("past").replaceChildren(...past.slice(0, SHOWN_ENTRIES).map((one) => buildPast(one, onPick)));
  byId("history").hidden = false;
}

function buildPast(entry, onPick) {
  const item = element("li");
  const made = button("", "", () => onPick(entry));
  made.append(element("span", "text", describe(entry.values, shownFields)));
  made.append(element("span", "outcome", headlineOf(entry.answer)));
  item.append(made);
  return item;
}

export function listenForHistory() {
  byId("history-save").addEventListener("click", () => {
    const answered = [...past].reverse().map((one) => {
      const asked = Object.entries(one.values);
      return new Map([...asked, ...flatten(one.answer, form.dataset.headline), ["elapsed_ms", one.elapsed]]);
    });
    saveTable("ratsnlp-results.csv", ...tabulate(answered));
  });
}

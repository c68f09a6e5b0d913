// The answers of this visit, kept in this window only; and the question on show, to be taken elsewhere as code.

import { flatten, readHeadline } from "./answers.js";
import { addressOf } from "./api.js";
import { saveTable, tabulate } from "./csv.js";
import { button, byId, element, reveal } from "./dom.js";
import { describe, form, shownFields } from "./form.js";

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
  made.append(element("span", "outcome", readHeadline(entry.answer)));
  item.append(made);
  return item;
}

export function listenForHistory() {
  byId("history-save").addEventListener("click", () => {
    const answered = [...past].reverse().map((one) => {
      const asked = Object.entries(one.values);
      return new Map([...asked, ...flatten(one.answer), ["elapsed_ms", one.elapsed]]);
    });
    saveTable("ratsnlp-results.csv", ...tabulate(answered));
  });
}

// --- a question as code that asks the same from elsewhere -----------------------------------------------------------

const PASSWORD = "비밀번호"; // to be put in by whoever runs the code; the page does not know it

const SNIPPETS = {
  curl: (address, values, isProtected) => {
    const body = JSON.stringify(values).replaceAll("'", "'\\''"); // as a shell wants it between single quotes
    const password = isProtected ? ` \\\n  -u ':${PASSWORD}'` : "";
    return `curl '${address}'${password} \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  },
  python: (address, values, isProtected) => {
    const texts = JSON.stringify(values, null, 4).replaceAll("\n", "\n    "); // strings read the same in Python
    const password = isProtected ? `\n    auth=("", "${PASSWORD}".encode()),` : "";
    return `import requests

response = requests.post(
    "${address}",
    json=${texts},${password}
)
print(response.json())`;
  },
};

/** Make the buttons copy the question of what `current()` returns. */
export function listenForCopies(current) {
  for (const made of document.querySelectorAll("[data-copy]")) {
    made.addEventListener("click", () => {
      copy(SNIPPETS[made.dataset.copy](addressOf("api"), current().values, "protected" in form.dataset));
    });
  }
}

async function copy(text) {
  const snippet = byId("snippet");
  snippet.value = text;
  byId("copy-state").textContent = "";
  reveal(byId("copied"));
  const done = copySelection(snippet) || (await copyToClipboard(text));
  byId("copy-state").textContent = done ? "복사했습니다." : "브라우저가 막아서 복사하지 못했습니다. 아래 글을 골라 직접 복사해 주세요.";
}

// First, for it works inside another site's frame and on a plain http address, where the clipboard's interface does not.
function copySelection(snippet) {
  const before = document.activeElement;
  snippet.select();
  const done = document.execCommand("copy");
  if (done) before.focus();
  return done;
}

async function copyToClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// Why? The server leaves out one eojeol after the other; a weight is how much less probable that makes the decision.

import { cutAt } from "./answers.js";
import { ask } from "./api.js";
import { announce, byId, element, percent, reveal } from "./dom.js";
import { fields, labelOf, nameOf } from "./form.js";
import { textsOf } from "./result.js";
import { waitFor } from "./waiting.js";

const SHOWN_WORDS = 5;
const FULL_SHADE = 0.05; // the least weight shaded in full: what moves nothing does not look as if it did
const NOTICEABLE = 0.005;

/** Make the button explain what `current()` returns, where the server can explain. */
export function listenForWhy(current) {
  byId("ask-why")?.addEventListener("click", () => {
    if (!byId("why").hidden) return hideWhy();
    const entry = current();
    waitFor(async (signal) => {
      entry.why ??= await ask("api/explain", entry.values, signal);
      if (entry === current()) showWhy(entry);
    });
  });
}

export function hideWhy() {
  if (!byId("why")) return;
  byId("why").hidden = true;
  byId("ask-why").setAttribute("aria-expanded", "false");
}

function showWhy(entry) {
  const texts = textsOf({ values: entry.values, answer: entry.why });
  const words = (entry.why.words ?? []).filter((word) => Number.isFinite(word.weight));
  const most = Math.max(FULL_SHADE, ...words.map((word) => Math.abs(word.weight)));
  const movers = words.filter((word) => Math.abs(word.weight) >= NOTICEABLE);
  movers.sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const shown = fields.filter((field) => words.some((word) => word.field === nameOf(field)));
  byId("shaded").replaceChildren(...shown.map((field) => buildShaded(field, texts[nameOf(field)], words, most)));
  byId("movers").replaceChildren(...movers.slice(0, SHOWN_WORDS).map((word) => buildMover(word, most)));
  byId("why-summary").textContent = summarize(entry.why, movers);
  announce(byId("why-summary").textContent);
  byId("ask-why").setAttribute("aria-expanded", "true");
  reveal(byId("why"));
}

function summarize({ prediction, probability }, movers) {
  const decision = [prediction, Number.isFinite(probability) ? percent(probability, 1) : ""].join(" ").trim();
  if (!movers.length) return `${decision}: 어느 한 어절을 빼도 확률이 거의 바뀌지 않습니다.`;
  return `${decision}: 어절을 하나씩 빼고 다시 물었을 때 확률이 가장 크게 바뀐 어절입니다.`;
}

function buildShaded(field, text, words, most) {
  const line = element("p", "shaded");
  const spans = words.filter((word) => word.field === nameOf(field) && stands(word, text));
  for (const { text: piece, span } of cutAt(text, spans)) line.append(span ? buildWord(piece, span, most) : piece);
  const holder = element("div");
  if (fields.length > 1) holder.append(element("span", "label", labelOf(field)));
  holder.append(line);
  return holder;
}

function stands(word, text) {
  return Array.from(text).slice(word.start, word.end).join("") === word.text;
}

function buildWord(text, word, most) {
  const made = element("span", word.weight < 0 ? "word against" : "word for", text);
  made.style.setProperty("--share", String(Math.abs(word.weight) / most));
  made.title = effect(word);
  return made;
}

function buildMover(word, most) {
  const row = element("li", word.weight < 0 ? "against" : "for");
  const track = element("div", "track");
  const fill = element("div", "fill");
  fill.style.width = percent(Math.abs(word.weight) / most);
  track.append(fill);
  const name = element("span", "name", word.text);
  const field = fields.find((one) => nameOf(one) === word.field); // none where the explanation names no text
  if (field && fields.length > 1) name.append(" ", element("span", "note", labelOf(field).split(" (")[0]));
  row.append(name, track, element("span", "value", effect(word)));
  return row;
}

function effect({ weight }) {
  const points = `${Math.abs(weight * 100).toFixed(1)}%p`;
  return weight < 0 ? `빼면 ${points} 올라감` : `빼면 ${points} 내려감`;
}

// Showing one answer.

import { cutAt, findSpan, readBars, readHeadline } from "./answers.js";
import { buildBars } from "./bars.js";
import { announce, byId, element, percent, reveal } from "./dom.js";
import { form, labelOf, nameOf, passageField, shownFields } from "./form.js";

/** Return the texts as the model saw them: in NFC, in which its places count. */
export function textsOf({ values, answer }) {
  const seen = Object.keys(values).map((name) => {
    return [name, typeof answer[name] === "string" ? answer[name] : values[name].normalize("NFC")];
  });
  return Object.fromEntries(seen);
}

export function headlineOf(answer) {
  return readHeadline(answer, form.dataset.headline, form.dataset.nothing);
}

export function showResult(entry) {
  const { answer, elapsed } = entry;
  const texts = textsOf(entry);
  const bars = readBars(answer);
  byId("echo").replaceChildren(...shownFields.map((field) => buildEcho(field, texts[nameOf(field)])));
  byId("headline").textContent = headlineOf(answer);
  byId("headline").classList.toggle("nothing", !answer[form.dataset.headline]);
  showScore(answer.score);
  showMeaning(answer, bars);
  byId("bars").replaceChildren(...buildBars(bars, passageField && ((place) => showPassage(texts, place))));
  byId("elapsed").textContent = `걸린 시간 ${elapsed.toLocaleString("ko")} ms`;
  byId("copied").hidden = true;
  byId("error").hidden = true;
  announce(`결과: ${headlineOf(answer)}${bars.length ? `, ${percent(bars[0].share)}` : ""}`);
  reveal(byId("result"));
  showPassage(texts, answer); // last: what is hidden cannot be scrolled
}

function buildEcho(field, text) {
  const line = element("p");
  if (shownFields.length > 1) line.append(element("span", "label", labelOf(field)), " ");
  line.append(element("span", "text", text));
  return line;
}

function showScore(score) {
  const place = byId("score");
  if (place) place.textContent = Number.isFinite(score) ? `점수 ${percent(score)}` : "";
}

function showMeaning(answer, bars) {
  const decision = `${headlineOf(answer)} ${bars[0]?.label ?? ""}`;
  for (const line of document.querySelectorAll("[data-when]")) line.hidden = !decision.includes(line.dataset.when);
}

function showPassage(texts, found) {
  if (!passageField) return;
  const text = texts[nameOf(passageField)];
  const span = findSpan(text, found);
  const pieces = cutAt(text, span ? [span] : []);
  byId("passage").replaceChildren(...pieces.map((one) => (one.span ? element("mark", "", one.text) : one.text)));
  scrollToMark();
}

function scrollToMark() {
  const mark = byId("passage").querySelector("mark"); // only the passage moves, not the page
  if (mark) byId("passage").scrollTop = mark.offsetTop - byId("passage").clientHeight / 2;
}

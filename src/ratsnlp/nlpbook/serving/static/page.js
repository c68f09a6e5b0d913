"use strict";

// One script for every task page. A page says what it asks with [data-field], what it shows large with data-headline,
// and in which text it marks the answer with data-passage. Every text goes in through textContent; every address is relative.

const PROXY_REFUSALS = [405, 500, 501]; // what a notebook's port proxy answers when it does not forward POST
const SAME_PRESS_MS = 250; // one press of Enter may arrive as several events while an input method composes
const HISTORY_LENGTH = 5;

const byId = (id) => document.getElementById(id);
const form = byId("form");
const fields = [...form.querySelectorAll("[data-field]")];
const passageField = form.querySelector("[data-passage]"); // the text in which the answer is marked, where a page has one
let running = null; // the AbortController of the request on its way
let past = [];

// --- asking ---------------------------------------------------------------------------------------------------------

function readFields() {
  return Object.fromEntries(fields.map((field) => [field.dataset.field, field.value]));
}

function fillFields(values) {
  fields.forEach((field, index) => {
    field.value = Array.isArray(values) ? values[index] : values[field.dataset.field];
  });
}

class Refusal extends Error {
  constructor(message, detail = "") {
    super(message);
    this.detail = detail;
  }
}

async function send(address, options) {
  try {
    const response = await fetch(address, options);
    return { ok: response.ok, status: response.status, answer: parseObject(await response.text()) };
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refusal("서버에 연결하지 못했습니다. 노트북이나 터미널에서 서버가 켜져 있는지 확인해 주세요.");
  }
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

async function ask(values, signal) {
  const body = JSON.stringify(values);
  const headers = { "Content-Type": "application/json" };
  let reply = await send("api", { method: "POST", headers, body, signal });
  if (!reply.answer && PROXY_REFUSALS.includes(reply.status)) {
    reply = await send(`api?q=${encodeURIComponent(body)}`, { signal });
  }
  const { ok, status, answer } = reply;
  if (!answer) throw new Refusal(`서버가 뜻밖의 답을 보냈습니다(상태 ${status}). 잠시 뒤 다시 시도해 주세요.`);
  if (!ok) throw new Refusal(answer.message ?? `서버가 오류를 보냈습니다(상태 ${status}).`, answer.error);
  return answer;
}

async function submit() {
  if (running) return;
  const values = readFields();
  const started = performance.now();
  running = new AbortController();
  const clock = showBusy(started);
  try {
    const answer = await ask(values, running.signal);
    const entry = { values, answer, elapsed: Math.round(performance.now() - started) };
    showResult(entry);
    remember(entry);
  } catch (problem) {
    showProblem(problem);
  } finally {
    running = null;
    endBusy(clock);
  }
}

// --- showing --------------------------------------------------------------------------------------------------------

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function say(text) {
  byId("status").textContent = text;
  byId("seconds").textContent = "";
  byId("hint").hidden = Boolean(text);
}

function reveal(card) {
  card.hidden = false;
  card.scrollIntoView({ block: "nearest" });
}

function showBusy(started) {
  document.body.classList.add("busy");
  byId("ask").setAttribute("aria-disabled", "true");
  byId("error").hidden = true;
  return setInterval(() => showWaiting(performance.now() - started), 250); // a quick answer shows none of this
}

function showWaiting(elapsed) {
  if (byId("cancel").hidden) say("분석하는 중…");
  byId("cancel").hidden = false;
  if (elapsed >= 1000) byId("seconds").textContent = ` ${Math.floor(elapsed / 1000)}초`; // not read out every second
}

function endBusy(clock) {
  clearInterval(clock);
  document.body.classList.remove("busy");
  byId("ask").removeAttribute("aria-disabled");
  if (document.activeElement === byId("cancel")) byId("ask").focus();
  byId("cancel").hidden = true;
}

function showProblem(problem) {
  const cancelled = problem.name === "AbortError";
  const expected = problem instanceof Refusal;
  byId("result").hidden = true;
  byId("error-message").textContent = expected ? problem.message : "받은 답을 화면에 나타내지 못했습니다.";
  byId("error-detail").textContent = expected ? problem.detail : String(problem);
  say(cancelled ? "취소했습니다." : "");
  if (!cancelled) reveal(byId("error"));
}

function describe(values, shown = fields) {
  return shown.map((field) => values[field.dataset.field]).join(" / ");
}

function headlineOf(answer) {
  return String(answer[form.dataset.headline] ?? "") || form.dataset.nothing || "";
}

function showResult({ values, answer, elapsed }) {
  const texts = { ...values, ...answer };
  byId("echo").textContent = describe(texts, fields.filter((field) => field !== passageField));
  byId("headline").textContent = headlineOf(answer);
  byId("passage")?.replaceChildren(...markAnswer(String(texts[passageField.dataset.field]), answer));
  byId("bars").replaceChildren(...readBars(answer).map(buildBar));
  byId("elapsed").textContent = `걸린 시간 ${elapsed.toLocaleString("ko")} ms`;
  byId("error").hidden = true;
  say("");
  reveal(byId("result"));
}

// Places count characters as Python does: an emoji is one, of which JavaScript makes two. A hand-written inference_fn
// sends none; then the answer is marked where it stands first.
function markAnswer(text, { answer, start, end }) {
  const characters = Array.from(text);
  const known = Number.isInteger(start) && Number.isInteger(end) && start < end && end <= characters.length;
  const found = String(answer ?? "").trim();
  const at = known || !found ? -1 : text.indexOf(found);
  if (!known && at < 0) return [text];
  const before = known ? characters.slice(0, start).join("") : text.slice(0, at);
  const marked = known ? characters.slice(start, end).join("") : found;
  return [before, element("mark", "", marked), text.slice(before.length + marked.length)];
}

// The library sends `probabilities`, for any number of labels; a hand-written inference_fn sends X_data and X_width.
function readBars(answer) {
  const listed = answer.probabilities ?? answer.answers;
  const bars = Array.isArray(listed) ? listed.map(readProbability) : readPairs(answer);
  return bars.filter((bar) => Number.isFinite(bar.percent)).sort((one, other) => other.percent - one.percent);
}

function readProbability({ label, name, probability, answer, score }) {
  return { name: String(name ?? label ?? answer), percent: (probability ?? score) * 100 };
}

function readPairs(answer) {
  const labels = Object.keys(answer).filter((key) => key.endsWith("_data")).map((key) => key.slice(0, -"_data".length));
  return labels.map((label) => ({
    name: String(answer[`${label}_data`]).replace(/\s*\d[\d.]*(e-?\d+)?%?$/, "") || label, // "긍정 0.97"
    percent: parseFloat(answer[`${label}_width`]), // "97.00%"
  }));
}

function buildBar({ name, percent }, index) {
  const share = Math.min(100, Math.max(0, percent));
  const value = `${share.toFixed(2)}%`;
  const row = element("li", index === 0 ? "top" : "");
  const track = element("div", "track");
  const fill = element("div", "fill");
  const facts = { label: name, valuemin: 0, valuemax: 100, valuenow: share, valuetext: value };
  track.setAttribute("role", "meter");
  Object.entries(facts).forEach(([key, fact]) => track.setAttribute(`aria-${key}`, fact));
  track.append(fill);
  row.append(element("span", "name", name), element("span", "value", value), track);
  requestAnimationFrame(() => {
    fill.style.width = value;
  });
  return row;
}

function remember(entry) {
  const same = (one) => describe(one.values) === describe(entry.values);
  past = [entry, ...past.filter((one) => !same(one))].slice(0, HISTORY_LENGTH);
  byId("past").replaceChildren(...past.map(buildPast));
  byId("history").hidden = false;
}

function buildPast(entry) {
  const item = document.createElement("li");
  const button = element("button", "");
  button.type = "button";
  button.append(element("span", "text", describe(entry.values)), element("span", "outcome", headlineOf(entry.answer)));
  button.addEventListener("click", () => {
    if (running) return;
    fillFields(entry.values);
    showResult(entry);
    fields[0].focus();
  });
  item.append(button);
  return item;
}

// --- Enter ----------------------------------------------------------------------------------------------------------
// While an input method composes Hangul, Enter first ends the composition. Chrome and Firefox send keydown (229,
// composing), compositionend and, on some systems, a second keydown (13); Safari sends compositionend and then keydown
// (229, not composing). All of it is one press: it submits once, after the last syllable is in the field.

let composing = false;
let enterWaits = false;
let pressedAt = -Infinity;

const isEnter = (event) => event.key === "Enter" || event.code === "Enter" || event.code === "NumpadEnter";
const isSamePress = () => performance.now() - pressedAt < SAME_PRESS_MS;

function pressEnter() {
  enterWaits = false;
  pressedAt = performance.now();
  setTimeout(submit); // after the input method has written its last syllable
}

function onKeydown(event) {
  if (!isEnter(event)) {
    if (event.keyCode !== 229) pressedAt = -Infinity;
    enterWaits = false;
    return;
  }
  if (event.shiftKey || event.target.dataset.enter === "newline") return;
  if (composing || event.isComposing) {
    enterWaits = true;
    return;
  }
  event.preventDefault();
  if (!event.repeat && !isSamePress()) pressEnter();
}

function listenForEnter(field) {
  field.addEventListener("keydown", onKeydown);
  field.addEventListener("keyup", (event) => {
    if (isEnter(event) && !composing) pressedAt = -Infinity;
  });
  field.addEventListener("compositionstart", () => {
    composing = true;
  });
  field.addEventListener("compositionend", () => {
    composing = false;
    if (enterWaits) pressEnter();
  });
  field.addEventListener("beforeinput", (event) => {
    const isNewline = event.inputType === "insertLineBreak" || event.inputType === "insertParagraph";
    if (isNewline && isSamePress()) event.preventDefault(); // the newline of the press that has just submitted
  });
  field.addEventListener("blur", () => {
    enterWaits = false;
  });
}

// --- start ----------------------------------------------------------------------------------------------------------

fields.forEach(listenForEnter);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
byId("cancel").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) running?.abort();
});
form.querySelectorAll("[data-values]").forEach((chip) => {
  chip.addEventListener("click", () => {
    if (running) return;
    fillFields(JSON.parse(chip.dataset.values));
    submit();
  });
});
if (window.top === window) fields[0].focus(); // inside a notebook the focus stays where it is

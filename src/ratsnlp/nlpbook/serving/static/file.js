// A file of rows: read in the browser, asked row by row, saved with the answers beside it.

import { flatten, readCounted, readOutcome } from "./answers.js";
import { Refusal, ask } from "./api.js";
import { FileProblem, decode, parse, saveTable, tabulate } from "./csv.js";
import { announce, buildRow, byId, element } from "./dom.js";
import { fields, labelOf, nameOf } from "./form.js";
import { buildBars } from "./result.js";

const MOST_BYTES = 50 * 2 ** 20;
const SHOWN_ROWS = 50;
const SHOWN_LABELS = 12; // more different answers than this are no labels
const REFRESH_MS = 250;
const IN_FLIGHT = 8;
const TRIES = 6;
const LONGEST_WAIT_S = 60;

let file = null; // { name, lines } of what was read
let table = null; // { header, rows, results }: a result is { answer } or { problem }, or nothing yet
let controller = null; // of the run on its way
let startedAt = 0;
let doneBefore = 0;

const done = () => table.results.filter(Boolean).length;
const answered = () => table.results.filter((result) => result?.answer).length;
const count = (number) => number.toLocaleString("ko");

// --- reading --------------------------------------------------------------------------------------------------------

async function open(chosen) {
  if (!chosen || controller) return;
  try {
    if (chosen.size > MOST_BYTES) throw new FileProblem("파일이 50 MB보다 큽니다. 나누어서 다시 골라 주세요.");
    const { text, encoding } = decode(new Uint8Array(await chosen.arrayBuffer()));
    const lines = parse(text);
    if (!lines.length) throw new FileProblem("빈 파일입니다. 다른 파일을 골라 주세요.");
    file = { name: chosen.name, lines, encoding };
    byId("file-ready").hidden = false;
    useHeader();
  } catch (problem) {
    byId("file-ready").hidden = true;
    tell(problem instanceof FileProblem ? problem.message : `파일을 읽지 못했습니다. 다시 골라 주세요. (${problem.name})`);
  }
}

function tell(text) {
  byId("file-about").textContent = text;
}

function useHeader() {
  const width = Math.max(...file.lines.slice(0, SHOWN_ROWS).map((line) => line.length));
  const named = byId("file-header").checked && file.lines.length > 1;
  const names = Array.from({ length: width }, (_, index) => (named && file.lines[0][index]) || `${index + 1}열`);
  table = { header: names, rows: named ? file.lines.slice(1) : file.lines, results: [] };
  tell(`${file.name}: ${count(table.rows.length)}행, ${file.encoding}`);
  byId("file-columns").replaceChildren(...guessColumns().map(buildChoice));
  forget();
}

/** Return a column for each field: the one of its name, else the one with the longest texts that is still free. */
function guessColumns() {
  const sample = table.rows.slice(0, SHOWN_ROWS);
  const length = (column) => sample.reduce((sum, row) => sum + (row[column] ?? "").length, 0);
  const named = fields.map((field) => table.header.findIndex((name) => name.trim().toLowerCase() === nameOf(field)));
  const free = table.header.map((_, column) => column).filter((column) => !named.includes(column));
  const longest = free.sort((one, other) => length(other) - length(one)).slice(0, named.filter((at) => at < 0).length);
  longest.sort((one, other) => one - other); // texts stand in the order of the fields
  return named.map((column) => (column < 0 ? (longest.shift() ?? 0) : column));
}

function buildChoice(column, index) {
  const select = element("select");
  select.append(...table.header.map((name, at) => new Option(name, String(at), at === column, at === column)));
  select.addEventListener("change", forget);
  const label = element("label", "", `${labelOf(fields[index])}의 열`);
  label.append(select);
  return label;
}

const chosenColumns = () => [...byId("file-columns").querySelectorAll("select")].map((select) => Number(select.value));

function forget() {
  table.results = [];
  byId("file-progress").hidden = true;
  byId("file-state").textContent = "";
  byId("file-counts").replaceChildren();
  byId("file-start").textContent = "모두 분석하기";
  byId("file-save").hidden = true;
  showRows();
}

// --- asking ---------------------------------------------------------------------------------------------------------

async function start() {
  if (controller) return;
  const columns = chosenColumns();
  const questions = table.rows.map((row, index) => (table.results[index]?.answer ? null : readTexts(row, columns)));
  table.results = table.results.map((result) => (result?.answer ? result : undefined)); // refused ones are asked again
  controller = new AbortController();
  startedAt = performance.now();
  doneBefore = done();
  const clock = setInterval(refresh, REFRESH_MS);
  showRunning(true);
  const ending = await run(questions);
  clearInterval(clock);
  controller = null;
  finish(ending);
}

const readTexts = (row, columns) => {
  return Object.fromEntries(fields.map((field, index) => [nameOf(field), row[columns[index]] ?? ""]));
};

async function run(questions) {
  try {
    await askAll(questions, (index, result) => { table.results[index] = result; }, controller);
    return "";
  } catch (problem) {
    return problem.name === "AbortError" ? "취소했습니다." : problem.message;
  }
}

function showRunning(running) {
  byId("file-cancel").hidden = !running;
  byId("file-start").hidden = running;
  byId("file-save").hidden = running;
  byId("file-progress").hidden = false;
  for (const choice of byId("file").querySelectorAll("select, input")) choice.disabled = running;
  refresh();
}

function finish(ending) {
  const hadFocus = document.activeElement === byId("file-cancel");
  showRunning(false);
  byId("file-start").textContent = done() < table.rows.length ? "이어서 분석하기" : "오류 난 행 다시 분석하기";
  byId("file-start").hidden = answered() === table.rows.length;
  byId("file-save").hidden = done() === 0;
  byId("file-state").textContent = [ending, describeEnd()].filter(Boolean).join(" ");
  announce(byId("file-state").textContent);
  showRows();
  showCounts();
  if (hadFocus) [byId("file-start"), byId("file-save")].find((made) => !made.hidden).focus();
}

function describeEnd() {
  const refused = done() - answered();
  const ended = `${count(table.rows.length)}행 가운데 ${count(answered())}행을 분석했습니다.`;
  return refused ? `${ended} 오류 ${count(refused)}행은 아래 표와 내려받는 파일의 error 열에 있습니다.` : ended;
}

// --- many questions: a few on their way at a time, each answered or refused for itself ------------------------------

/**
 * Ask each of `questions` (an object of texts, or null where nothing is to be asked) and hand what comes to
 * `onDone(index, { answer } or { problem })`. Throws when cancelled by `controller` or when the server is gone; either
 * way nothing is on its way any more.
 */
async function askAll(questions, onDone, controller) {
  let next = 0;
  async function work() {
    while (next < questions.length) {
      const index = next++;
      if (questions[index]) onDone(index, await askPatiently(questions[index], controller.signal));
    }
  }
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  } finally {
    controller.abort();
  }
}

async function askPatiently(values, signal) {
  const isBlank = Object.values(values).some((text) => !text.trim());
  if (isBlank) return { problem: new Refusal("빈칸이 있는 행입니다.") };
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    try {
      return { answer: await ask("api", values, signal) };
    } catch (problem) {
      if (!(problem instanceof Refusal) || problem.unreachable || problem.status === 401) throw problem;
      if (!problem.passing || tries === TRIES) return { problem };
      await sleep(Math.min(problem.retryAfter || tries, LONGEST_WAIT_S), signal);
    }
  }
}

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

// --- showing --------------------------------------------------------------------------------------------------------

function refresh() {
  const total = table.rows.length;
  const seconds = (performance.now() - startedAt) / 1000;
  const rate = (done() - doneBefore) / seconds;
  const left = rate > 0 && seconds > 1 ? `, 약 ${count(Math.ceil((total - done()) / rate))}초 남음` : "";
  Object.assign(byId("file-progress"), { max: total, value: done() });
  byId("file-state").textContent = `${count(done())} / ${count(total)}행${left}`;
  showRows();
}

function showRows() {
  const columns = chosenColumns();
  const shown = table.rows.slice(0, SHOWN_ROWS);
  byId("file-head").replaceChildren(buildRow("th", ["행", ...columns.map((at) => table.header[at]), "결과"]));
  byId("file-rows").replaceChildren(...shown.map((row, index) => {
    const { answer, problem } = table.results[index] ?? {};
    const outcome = problem ? problem.message : answer ? readOutcome(answer) : "";
    const made = buildRow("td", [String(index + 1), ...columns.map((at) => row[at] ?? ""), outcome]);
    made.lastChild.className = problem ? "outcome refused" : "outcome";
    return made;
  }));
}

function showCounts() {
  const counts = new Map();
  const counted = table.results.filter((result) => result?.answer).map((result) => readCounted(result.answer));
  const names = counted.flatMap((one) => one.names);
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const bars = [...counts].sort((one, other) => other[1] - one[1]).map(([name, times]) => {
    return { name, share: times / names.length, value: `${count(times)}${counted[0].unit}` };
  });
  byId("file-counts").replaceChildren(...buildBars(bars.length <= SHOWN_LABELS ? bars : []));
}

// --- saving ---------------------------------------------------------------------------------------------------------

function saveScored() {
  const found = Array.from(table.rows, (_, index) => flattenResult(table.results[index]));
  const [names, values] = tabulate(found);
  const columns = names.map((name) => (table.header.includes(name) ? `${name} (model)` : name));
  const rows = table.rows.map((row, index) => [...table.header.map((_, at) => row[at] ?? ""), ...values[index]]);
  saveTable(file.name.replace(/\.\w+$/, "") + "-scored.csv", [...table.header, ...columns], rows);
}

function flattenResult(result) {
  if (result?.answer) return flatten(result.answer);
  return new Map(result ? [["error", result.problem.message]] : []);
}

// --- start ----------------------------------------------------------------------------------------------------------

export function listenForFiles() {
  const card = byId("file");
  byId("file-input").addEventListener("click", (event) => { event.target.value = ""; }); // the same file may be new
  byId("file-input").addEventListener("change", (event) => open(event.target.files[0]));
  byId("file-header").addEventListener("change", useHeader);
  byId("file-start").addEventListener("click", start);
  byId("file-cancel").addEventListener("click", () => controller?.abort());
  byId("file-save").addEventListener("click", saveScored);
  card.addEventListener("dragover", (event) => event.preventDefault());
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    card.open = true;
    open(event.dataTransfer.files[0]);
  });
}

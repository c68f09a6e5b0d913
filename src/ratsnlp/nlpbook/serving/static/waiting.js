// One request at a time: what shows while it is on its way, and how it is cancelled. There is no time limit.

import { Refusal } from "./api.js";
import { byId, reveal } from "./dom.js";

const QUICK_MS = 250; // an answer within this time shows no waiting at all

let running = null; // the AbortController of the request on its way

export const isWaiting = () => running !== null;
export const cancel = () => running?.abort();

/** Do `work(signal)` unless something is on its way, and show what goes wrong. */
export async function waitFor(work) {
  if (running) return;
  running = new AbortController();
  const clock = showBusy(performance.now());
  try {
    await work(running.signal);
    say("");
  } catch (problem) {
    showProblem(problem);
  } finally {
    running = null;
    endBusy(clock);
  }
}

function say(text) {
  byId("status").textContent = text;
  byId("seconds").textContent = "";
  byId("hint").hidden = Boolean(text);
}

function showBusy(started) {
  document.body.classList.add("busy");
  byId("ask").setAttribute("aria-disabled", "true");
  byId("error").hidden = true;
  return setInterval(() => showWaiting(performance.now() - started), QUICK_MS);
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
  byId("error-message").textContent = expected ? problem.message : "받은 답을 화면에 나타내지 못했습니다.";
  byId("error-detail").textContent = expected ? problem.detail : String(problem);
  say(cancelled ? "취소했습니다." : "");
  if (!cancelled) reveal(byId("error"));
}

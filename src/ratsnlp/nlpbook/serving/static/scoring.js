// Many questions: a few on their way at a time, each answered or refused for itself.

import { Refusal, ask } from "./api.js";

const IN_FLIGHT = 8;
const TRIES = 6;
const LONGEST_WAIT_S = 60;

/**
 * Ask each of `questions` (an object of texts, or null where nothing is to be asked) and hand what comes to
 * `onDone(index, { answer } or { problem })`. Throws when cancelled by `controller` or when the server is gone; either
 * way nothing is on its way any more.
 */
export async function askAll(questions, onDone, controller) {
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

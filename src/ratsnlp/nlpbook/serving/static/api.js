// Asking the server. Addresses are relative, for the page may stand behind a notebook's proxy, which may refuse POST:
// then the same question goes as GET.

const PROXY_REFUSALS = [403, 405, 500, 501]; // what a proxy answers, without JSON, when it does not forward POST
const MESSAGES = {
  401: "비밀번호가 필요합니다. 페이지를 새로 고친 뒤 비밀번호를 넣어 주세요.",
  413: "글이 너무 깁니다. 줄여서 다시 시도해 주세요.",
  414: "글이 너무 길어서 이 주소로는 보낼 수 없습니다. 줄여서 다시 시도해 주세요.",
  429: "요청이 너무 잦습니다. 잠시 뒤 다시 시도해 주세요.",
  503: "지금은 기다리는 요청이 많습니다. 잠시 뒤 다시 시도해 주세요.",
  504: "답이 제때 오지 않았습니다. 글을 줄이거나 잠시 뒤 다시 시도해 주세요.",
};
const UNREACHABLE = "서버에 연결하지 못했습니다. 노트북이나 터미널에서 서버가 켜져 있는지 확인해 주세요.";

let refusesPost = false; // found out once: a file of rows is not sent twice

/** A question without an answer: `message` says in Korean what to do, `detail` is the server's own word. */
export class Refusal extends Error {
  constructor(message, { detail = "", status = 0, retryAfter = NaN } = {}) {
    super(message);
    Object.assign(this, { detail, status, retryAfter });
  }

  get unreachable() {
    return this.status === 0;
  }

  /** Whether the same question may be answered a little later. */
  get passing() {
    return this.status === 429 || this.status === 503;
  }
}

/** Return where a path of this page's server is, without the password that the page's own address may hold. */
export function addressOf(path) {
  const address = new URL(path, document.baseURI);
  address.username = address.password = "";
  return address.href;
}

/** Return the answer to `values` as an object. */
export async function ask(path, values, signal) {
  const { ok, status, answer, retryAfter } = await reach(path, JSON.stringify(values), signal);
  if (ok && answer) return answer;
  const unexpected = `서버가 뜻밖의 답을 보냈습니다(상태 ${status}). 잠시 뒤 다시 시도해 주세요.`;
  throw new Refusal(answer?.message ?? MESSAGES[status] ?? unexpected, { detail: answer?.error, status, retryAfter });
}

async function reach(path, body, signal) {
  if (!refusesPost) {
    const headers = { "Content-Type": "application/json" };
    const reply = await send(path, { method: "POST", headers, body, signal });
    if (reply.answer || !PROXY_REFUSALS.includes(reply.status)) return reply;
  }
  const reply = await send(`${path}?q=${encodeURIComponent(body)}`, { signal });
  refusesPost ||= reply.ok;
  return reply;
}

async function send(path, options) {
  try {
    const response = await fetch(addressOf(path), options);
    const retryAfter = parseInt(response.headers.get("Retry-After"), 10);
    return { ok: response.ok, status: response.status, retryAfter, answer: parseObject(await response.text()) };
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refusal(UNREACHABLE);
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

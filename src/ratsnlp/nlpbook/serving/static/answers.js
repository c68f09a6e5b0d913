// Reading an answer, of our predictors or of a hand-written inference_fn. Nothing here touches the page.

// --- kinds ----------------------------------------------------------------------------------------------------------

const READERS = {
  labels: { headline: ({ prediction }) => prediction, columns: columnsFrom("prediction") },
  spans: { headline: ({ answer }) => answer, nothing: "답을 찾지 못했습니다", columns: columnsFrom("answer") },
  tokens: {
    headline: countEntities,
    nothing: "개체명이 없습니다",
    outcome: listEntities,
    counted: (answer) => readEntities(answer).map(({ name }) => name),
    unit: "개",
    columns: tagText,
  },
  text: { headline: breakLines, columns: columnsFrom("result") },
};

const readerOf = (answer) => READERS[readKind(answer)];

/** Return "labels", "spans", "tokens" or "text". A hand-written inference_fn does not say which: its keys tell. */
export function readKind({ kind, result, ...others }) {
  if (Object.hasOwn(READERS, kind)) return kind;
  if (Array.isArray(result) && result.every((row) => row?.predicted_tag !== undefined)) return "tokens";
  if ("answer" in others) return "spans";
  return typeof result === "string" ? "text" : "labels";
}

/** Return what is shown large. */
export function readHeadline(answer) {
  return String(readerOf(answer).headline(answer) ?? "") || (readerOf(answer).nothing ?? "");
}

export function isNothing(answer) {
  return !readerOf(answer).headline(answer);
}

/** Return in one line what was found, as a table of many answers shows it. */
export function readOutcome(answer) {
  const { outcome = () => "" } = readerOf(answer);
  return outcome(answer) || readHeadline(answer);
}

/** Return the names to be counted over many answers, and the word for what is counted. */
export function readCounted(answer) {
  const { counted = (one) => [readHeadline(one)], unit = "행" } = readerOf(answer);
  return { names: counted(answer), unit };
}

/** Return the columns of a table as a Map. */
export function flatten(answer) {
  return readerOf(answer).columns(answer);
}

// The published deploy cell says what went wrong with <br> in its text.
function breakLines({ result }) {
  return String(result ?? "").replace(/<br\s*\/?>/gi, "\n");
}

// The decision, its place and score if any, a probability per label.
function columnsFrom(key) {
  return (answer) => {
    const row = new Map([[key, isNothing(answer) ? "" : readHeadline(answer)]]);
    for (const name of ["start", "end", "score"]) {
      if (name in answer) row.set(name, answer[name] ?? "");
    }
    // By name, for the same order in every file.
    for (const bar of readBars(answer).sort((one, other) => one.name.localeCompare(other.name))) {
      if (!bar.place) row.set(bar.name, Number(bar.share.toFixed(6)));
    }
    return row;
  };
}

// --- labels and possible answers ------------------------------------------------------------------------------------

/** Return the bars to draw, longest first. Predictors send a list of labels or answers; others X_data and X_width. */
export function readBars(answer) {
  const listed = answer.labels ?? answer.probabilities;
  const bars = Array.isArray(listed) ? listed.map(readLabel) : (readCandidates(answer) ?? readPairs(answer));
  return bars.filter((bar) => Number.isFinite(bar.share)).sort((one, other) => other.share - one.share);
}

function readLabel({ label, name, probability }) {
  return { label: String(label ?? name), name: String(name ?? label), share: probability };
}

function readCandidates({ answer, start, end, score, answers }) {
  if (!Array.isArray(answers)) return null;
  const isBest = (one) => one.start === start && one.end === end;
  const best = answer && Number.isFinite(score) && !answers.some(isBest) ? [{ answer, start, end, score }] : [];
  return [...best, ...answers].map((one) => ({ name: String(one.answer), share: one.score, place: one }));
}

function readPairs(answer) {
  const labels = Object.keys(answer).filter((key) => key.endsWith("_data")).map((key) => key.slice(0, -"_data".length));
  return labels.map((label) => ({
    label,
    name: String(answer[`${label}_data`]).replace(/\s*\d[\d.]*(e-?\d+)?%?$/, "") || label, // "긍정 0.97"
    share: parseFloat(answer[`${label}_width`]) / 100, // "97.00%"
  }));
}

// --- tagged tokens --------------------------------------------------------------------------------------------------

const OUTSIDE = /^(O|\[.*\])$/; // a published label map also holds [CLS], [SEP], [PAD] and [MASK]

/** Return the rows of the published table, one per word piece; `tag` is null outside of entities. */
export function readTokens({ result }) {
  return (Array.isArray(result) ? result : []).map(({ token, predicted_tag: tag, top_prob: probability }) => {
    return { token: String(token), shown: String(tag), tag: OUTSIDE.test(tag) ? null : String(tag), probability };
  });
}

/** Return whether the places of entities are known: a hand-written inference_fn tags word pieces only. */
export const hasPlaces = ({ entities }) => Array.isArray(entities);

/** Return the entities in the order of the sentence or, where their places are unknown, the tagged word pieces. */
export function readEntities(answer) {
  if (hasPlaces(answer)) return readPlaced(answer);
  const tagged = readTokens(answer).filter(({ tag }) => tag !== null);
  return tagged.map(({ token, tag }) => ({ text: token, tag, name: tag }));
}

function readPlaced({ sentence, entities }) {
  const { length } = Array.from(String(sentence ?? ""));
  const named = entities.map((one) => ({ ...one, tag: String(one.tag), name: String(one.name ?? one.tag) }));
  let at = 0;
  return named.sort((one, other) => one.start - other.start).filter(({ start, end }) => {
    const stands = at <= start && start < end && end <= length; // each a place of its own
    if (stands) at = end;
    return stands;
  });
}

/** Return all tags; `colour` is the place among them, `occurs` whether an entity has the tag. */
export function readTags(answer) {
  const entities = readEntities(answer);
  const tags = [];
  for (const { tag, name } of [...(answer.tags ?? []), ...entities, ...readTokens(answer)]) {
    if (tag === null || findTag(tags, tag)) continue;
    const occurs = entities.some((entity) => entity.tag === tag);
    tags.push({ tag, name: String(name ?? tag), colour: tags.length, occurs });
  }
  return tags;
}

/** Return the tag of a symbol or a name: a token's row names what an entity has as a symbol. */
export function findTag(tags, said) {
  return tags.find(({ tag, name }) => tag === said || name === said);
}

function countEntities(answer) {
  const { length } = readEntities(answer);
  return length ? `${hasPlaces(answer) ? "개체명" : "개체명 토큰"} ${length.toLocaleString("ko")}개` : "";
}

function listEntities(answer) {
  const listed = hasPlaces(answer) ? readEntities(answer) : joinPieces(readTokens(answer));
  return listed.map(({ text, name }) => `${text} ${name}`).join(", ");
}

// To be read, not counted: a piece that goes on with the word before it, under the same tag, is read as one with it.
function joinPieces(tokens) {
  const joined = [];
  for (const { token, tag } of tokens) {
    const last = joined.at(-1);
    if (token.startsWith("##") && last?.name === tag) last.text += token.slice(2);
    else joined.push({ text: token, name: tag });
  }
  return joined.filter(({ name }) => name !== null);
}

function tagText(answer) {
  if (!hasPlaces(answer)) {
    return new Map([["result", readTokens(answer).map(({ token, shown }) => `${token}/${shown}`).join(" ")]]);
  }
  const entities = readEntities(answer);
  const pieces = cutAt(String(answer.sentence ?? ""), entities).map(({ text, span }) => (span ? `<${text}:${span.tag}>` : text));
  return new Map([
    ["entities", entities.map(({ text, tag }) => `${text}/${tag}`).join("; ")],
    ["tagged", pieces.join("")],
  ]);
}

// --- places ---------------------------------------------------------------------------------------------------------
// They count characters as Python does: an emoji is one, of which JavaScript makes two.

/** Return where an answer stands, or null. A hand-written inference_fn sends no place: then where it stands first. */
export function findSpan(text, { answer, start, end }) {
  const length = Array.from(text).length;
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end && end <= length) {
    return { start, end };
  }
  const found = String(answer ?? "").trim();
  const at = found ? text.indexOf(found) : -1;
  if (at < 0) return null;
  const before = Array.from(text.slice(0, at)).length;
  return { start: before, end: before + Array.from(found).length };
}

/** Cut a text at its spans, which do not overlap, into `{ text, span }`; span is null between them. */
export function cutAt(text, spans) {
  const characters = Array.from(text);
  const pieces = [];
  let at = 0;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    pieces.push({ text: characters.slice(at, span.start).join(""), span: null });
    pieces.push({ text: characters.slice(span.start, span.end).join(""), span });
    at = span.end;
  }
  pieces.push({ text: characters.slice(at).join(""), span: null });
  return pieces.filter((piece) => piece.text);
}

// Reading an answer, of our predictors or of a hand-written inference_fn. Nothing here touches the page.

/** Return what is shown large, or `nothing` where the model found nothing. */
export function readHeadline(answer, key, nothing = "") {
  return String(answer[key] ?? "") || nothing;
}

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

/** Return the columns of a table as a Map: the decision, its place and score if any, a probability per label. */
export function flatten(answer, key) {
  const row = new Map([[key, readHeadline(answer, key)]]);
  for (const name of ["start", "end", "score"]) {
    if (name in answer) row.set(name, answer[name] ?? "");
  }
  // By name, for the same order in every file.
  for (const bar of readBars(answer).sort((one, other) => one.name.localeCompare(other.name))) {
    if (!bar.place) row.set(bar.name, Number(bar.share.toFixed(6)));
  }
  return row;
}

// Places count characters as Python does: an emoji is one, of which JavaScript makes two.

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

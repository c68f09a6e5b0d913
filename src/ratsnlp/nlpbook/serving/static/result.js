// Showing one answer, by its kind.

import {
  cutAt, findSpan, findTag, hasPlaces, isNothing, readBars, readEntities, readHeadline, readKind, readOutcome,
  readTags, readTokens,
} from "./answers.js";
import { announce, buildRow, button, byId, element, percent, reveal } from "./dom.js";
import { labelOf, nameOf, passageField, shownFields } from "./form.js";

const SHOW = { labels: showLabels, spans: showSpans, tokens: showTokens, text: showText };

/** Return the texts as the model saw them: in NFC, in which its places count. */
export function textsOf({ values, answer }) {
  const seen = Object.keys(values).map((name) => {
    return [name, typeof answer[name] === "string" ? answer[name] : values[name].normalize("NFC")];
  });
  return Object.fromEntries(seen);
}

export function showResult(entry) {
  const { answer, elapsed } = entry;
  const kind = readKind(answer);
  const texts = textsOf(entry);
  const parts = byId("result").querySelectorAll("[data-kinds]");
  for (const part of parts) part.hidden = !part.dataset.kinds.split(" ").includes(kind);
  byId("echo").replaceChildren(...shownFields.map((field) => buildEcho(field, texts[nameOf(field)])));
  byId("echo").hidden = false;
  byId("headline").textContent = readHeadline(answer);
  byId("headline").className = `headline ${isNothing(answer) ? "nothing" : kind}`;
  byId("elapsed").textContent = `걸린 시간 ${elapsed.toLocaleString("ko")} ms`;
  byId("copied").hidden = true;
  byId("error").hidden = true;
  byId("result").hidden = false; // before it is filled: what is hidden cannot be scrolled
  announce(SHOW[kind](answer, texts));
  reveal(byId("result"));
}

function buildEcho(field, text) {
  const line = element("p");
  if (shownFields.length > 1) line.append(element("span", "label", labelOf(field)), " ");
  line.append(element("span", "text", text));
  return line;
}

// --- kinds: each shows its parts and returns what a screen reader says ----------------------------------------------

function showLabels(answer) {
  const bars = readBars(answer);
  const decision = `${readHeadline(answer)} ${bars[0]?.label ?? ""}`;
  for (const line of document.querySelectorAll("[data-when]")) line.hidden = !decision.includes(line.dataset.when);
  byId("bars").replaceChildren(...buildBars(bars));
  return sayBest(answer, bars);
}

function showSpans(answer, texts) {
  const bars = readBars(answer);
  const text = passageField ? texts[nameOf(passageField)] : "";
  byId("score").textContent = Number.isFinite(answer.score) ? `점수 ${percent(answer.score)}` : "";
  byId("bars").replaceChildren(...buildBars(bars, passageField && ((place) => showPassage(text, place))));
  showPassage(text, answer);
  return sayBest(answer, bars);
}

function showText(answer) {
  return `결과: ${readHeadline(answer)}`;
}

function showTokens(answer) {
  const tags = readTags(answer);
  const marks = hasPlaces(answer) ? showEntities(answer, tags) : null;
  byId("tags").replaceChildren(...tags.filter((tag) => tag.occurs).map((tag) => wrap("li", buildTag(tag))));
  byId("bars").replaceChildren(...(marks ? buildEntityBars(tags, marks) : []));
  byId("tokens").replaceChildren(...readTokens(answer).map((row, index) => buildTokenRow(row, index, tags)));
  if (marks) byId("echo").hidden = shownFields.length === 1; // the sentence stands below, with its entities
  else {
    byId("passage").replaceChildren();
    byId("token-results").open = true; // all there is to see
  }
  return isNothing(answer) ? readHeadline(answer) : `${readHeadline(answer)}: ${readOutcome(answer)}`;
}

function sayBest(answer, bars) {
  return `결과: ${readHeadline(answer)}${bars.length ? `, ${percent(bars[0].share)}` : ""}`;
}

// --- a text with marks ----------------------------------------------------------------------------------------------

function showPassage(text, found) {
  const span = findSpan(text, found);
  const pieces = cutAt(text, span ? [span] : []);
  byId("passage").replaceChildren(...pieces.map((one) => (one.span ? element("mark", "", one.text) : one.text)));
  scrollTo(byId("passage").querySelector("mark"));
}

function scrollTo(mark) {
  if (mark) byId("passage").scrollTop = mark.offsetTop - byId("passage").clientHeight / 2; // not the page
}

/** Show the sentence with its entities, and return a Map from entity to its mark. */
function showEntities(answer, tags) {
  const marks = new Map();
  byId("passage").replaceChildren(...cutAt(String(answer.sentence ?? ""), readEntities(answer)).map(({ text, span }) => {
    if (!span) return text;
    const mark = colour(element("mark", "entity", text), findTag(tags, span.tag));
    mark.append(element("span", "tag", ` ${span.name}`)); // two words, also where they are read out
    marks.set(span, mark);
    return mark;
  }));
  byId("passage").scrollTop = 0;
  return marks;
}

function buildEntityBars(tags, marks) {
  let picked = null;
  const point = (entity) => {
    marks.forEach((mark, one) => mark.classList.toggle("picked", one === entity));
    scrollTo(marks.get(entity));
  };
  const pick = (entity) => point((picked = entity));
  const bars = [...marks.keys()].map((entity) => {
    return { name: entity.text, share: entity.probability, place: entity, tag: findTag(tags, entity.tag) };
  });
  return buildBars(bars, pick, (entity) => point(entity ?? picked));
}

function buildTokenRow({ token, shown, tag, probability }, index, tags) {
  const row = buildRow("td", [String(index), token, tag === null ? shown : "", String(probability ?? "")]);
  if (tag !== null) row.children[2].append(buildTag(findTag(tags, tag)));
  return row;
}

const buildTag = (tag) => colour(element("span", "tag", tag.name), tag);

function wrap(tag, child) {
  const made = element(tag);
  made.append(child);
  return made;
}

// The golden angle: tags beside one another in the list differ most, and no number of tags repeats a colour.
function colour(made, tag) {
  made.style.setProperty("--hue", String(Math.round((20 + tag.colour * 137.508) % 360)));
  return made;
}

// --- bars: a name and a value, of a label, of a possible answer, of how many rows fell to a label -------------------

/**
 * Return the rows of bars, the first one marked as the top unless they have tags. With `onPick` those with a place can
 * be pressed; `onFocus` hears of the place that the keyboard is at, and of null when it goes on.
 */
export function buildBars(bars, onPick = null, onFocus = null) {
  return bars.map((bar, index) => buildBar(bar, index === 0 && !bar.tag, onPick, onFocus));
}

function buildBar({ name, share, value = null, place = null, tag = null }, isTop, onPick, onFocus) {
  const within = Math.min(1, Math.max(0, share));
  const shown = value ?? percent(within);
  const row = element("li", tag ? "tagged" : isTop ? "top" : "");
  const picks = onPick && place;
  const holder = picks ? button("pick", "", () => pick(holder, place, onPick)) : element("div", "bar");
  const named = element("span", "name", name);
  if (picks) holder.setAttribute("aria-pressed", String(isTop));
  if (picks && onFocus) {
    holder.addEventListener("focus", () => onFocus(place));
    holder.addEventListener("blur", () => onFocus(null));
  }
  if (tag) named.append(" ", buildTag(tag));
  holder.append(named, element("span", "value", shown), buildTrack(name, within, shown, picks));
  row.append(holder);
  return tag ? colour(row, tag) : row;
}

function pick(pressed, place, onPick) {
  for (const other of pressed.closest("ul").querySelectorAll("[aria-pressed]")) {
    other.setAttribute("aria-pressed", String(other === pressed));
  }
  onPick(place);
}

function buildTrack(name, share, shown, isHidden) {
  const track = element("div", "track");
  const fill = element("div", "fill");
  const now = Number((share * 100).toFixed(4));
  const facts = { label: name, valuemin: 0, valuemax: 100, valuenow: now, valuetext: shown };
  if (isHidden) track.setAttribute("aria-hidden", "true"); // inside a button its name and value are read out anyway
  else {
    track.setAttribute("role", "meter");
    Object.entries(facts).forEach(([key, fact]) => track.setAttribute(`aria-${key}`, fact));
  }
  track.append(fill);
  requestAnimationFrame(() => {
    fill.style.width = percent(share);
  });
  return track;
}

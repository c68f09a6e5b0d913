// A bar with a name and a value: of a label, of a possible answer, of how many rows fell to a label.

import { button, element, percent } from "./dom.js";

/** Return the rows of bars, the first one marked as the top. With `onPick` those with a place can be pressed. */
export function buildBars(bars, onPick = null) {
  return bars.map((bar, index) => buildBar(bar, index === 0, onPick));
}

function buildBar({ name, share, value = null, place = null }, isTop, onPick) {
  const within = Math.min(1, Math.max(0, share));
  const shown = value ?? percent(within);
  const row = element("li", isTop ? "top" : "");
  const picks = onPick && place;
  const holder = picks ? button("pick", "", () => pick(holder, place, onPick)) : element("div", "bar");
  if (picks) holder.setAttribute("aria-pressed", String(isTop));
  holder.append(element("span", "name", name), element("span", "value", shown), buildTrack(name, within, shown, picks));
  row.append(holder);
  return row;
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

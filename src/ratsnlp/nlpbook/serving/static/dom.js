// What the other scripts find, make and say on the page. Text goes in through textContent only: nothing that a user
// typed, a file held or a model said is ever read as HTML.

export const byId = (id) => document.getElementById(id);

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export function button(className, text, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

export function buildRow(tag, cells) {
  const row = element("tr");
  row.append(...cells.map((cell) => element(tag, "", cell)));
  return row;
}

/** Say something to a screen reader that the eye sees elsewhere. */
export function announce(text) {
  byId("announcement").textContent = text;
}

export function reveal(card) {
  card.hidden = false;
  card.scrollIntoView({ block: "nearest" });
}

export const percent = (share, digits = 2) => `${(share * 100).toFixed(digits)}%`;

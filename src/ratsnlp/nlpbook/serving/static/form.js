// The texts a page asks for: each [data-field] of its form is one text of a request. Enter sends them.

import { byId } from "./dom.js";

export const form = byId("form");
export const fields = [...form.querySelectorAll("[data-field]")];
export const passageField = form.querySelector("[data-passage]"); // in which the answer is marked, where a page has one
export const shownFields = fields.filter((field) => field !== passageField);

export const nameOf = (field) => field.dataset.field;
export const labelOf = (field) => field.labels?.[0]?.textContent ?? nameOf(field);

export function readFields() {
  return Object.fromEntries(fields.map((field) => [nameOf(field), field.value]));
}

export function fillFields(values) {
  fields.forEach((field, index) => {
    field.value = Array.isArray(values) ? values[index] : values[nameOf(field)];
  });
}

export function describe(values, shown = fields) {
  return shown.map((field) => values[nameOf(field)]).join(" / ");
}

// --- Enter ----------------------------------------------------------------------------------------------------------
// While an input method composes Hangul, Enter first ends the composition. Chrome and Firefox send keydown (229,
// composing), compositionend and, on some systems, a second keydown (13); Safari sends compositionend and then keydown
// (229, not composing). All of it is one press: it submits once, after the last syllable is in the field.

const SAME_PRESS_MS = 250; // one press may arrive as several events while an input method composes

let composing = false;
let enterWaits = false;
let pressedAt = -Infinity;

const isEnter = (event) => event.key === "Enter" || event.code === "Enter" || event.code === "NumpadEnter";
const isSamePress = () => performance.now() - pressedAt < SAME_PRESS_MS;

/** Call `submit` once for each press of Enter in `field`. Where data-enter says "newline", Ctrl or Cmd is needed. */
export function listenForEnter(field, submit) {
  field.addEventListener("keydown", (event) => onKeydown(event, submit));
  field.addEventListener("keyup", (event) => {
    if (isEnter(event) && !composing) pressedAt = -Infinity;
  });
  field.addEventListener("compositionstart", () => {
    composing = true;
  });
  field.addEventListener("compositionend", () => {
    composing = false;
    if (enterWaits) pressEnter(submit);
  });
  field.addEventListener("beforeinput", (event) => {
    const isNewline = event.inputType === "insertLineBreak" || event.inputType === "insertParagraph";
    if (isNewline && isSamePress()) event.preventDefault(); // the newline of the press that has just submitted
  });
  field.addEventListener("blur", () => {
    enterWaits = false;
  });
}

function onKeydown(event, submit) {
  if (!isEnter(event)) {
    if (event.keyCode !== 229) pressedAt = -Infinity;
    enterWaits = false;
    return;
  }
  if (breaksLine(event)) return;
  if (composing || event.isComposing) {
    enterWaits = true;
    return;
  }
  event.preventDefault();
  if (!event.repeat && !isSamePress()) pressEnter(submit);
}

function breaksLine(event) {
  return event.shiftKey || (event.target.dataset.enter === "newline" && !event.ctrlKey && !event.metaKey);
}

function pressEnter(submit) {
  enterWaits = false;
  pressedAt = performance.now();
  setTimeout(submit); // after the input method has written its last syllable
}

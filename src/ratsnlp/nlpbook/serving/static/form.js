// The texts a page asks for: each [data-field] of its form is one text of a request.

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

// Labelled form fields with their hint and their error beside them, and bringing a problem's messages to them.

import { el } from "./element.js";

let count = 0;

/** {node, control}: one field named as the API names it. */
export function field(name, label, control, hint = null) {
  const id = `field-${(count += 1)}`;
  control.id = id;
  control.name = name;
  control.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  const node = el(
    "div",
    { class: "field", "data-field": name },
    el("label", { for: id }, label),
    control,
    el("p", { class: "field-hint", id: `${id}-hint` }, hint),
    el("p", { class: "field-error", id: `${id}-error` }),
  );
  return { node, control };
}

/** A one-line input. */
export function input(type, value, more = {}) {
  return el("input", { type, value: value ?? "", autocomplete: "off", ...more });
}

/** A select of {value: label}. */
export function select(options, value) {
  return el(
    "select",
    {},
    Object.entries(options).map(([key, label]) =>
      el("option", { value: key, selected: key === String(value) }, label),
    ),
  );
}

/** A field of several lines. */
export function textarea(value, more = {}) {
  return el("textarea", { rows: 3, spellcheck: "false", value: value ?? "", ...more });
}

/** Put messages next to the fields they name (`rules.0.to` belongs to `rules`); returns those that found none. */
export function showFaults(form, faults) {
  clearFaults(form);
  const homeless = Object.entries(faults).filter(([name, message]) => !showFault(form, name, message));
  const first = form.querySelector("[aria-invalid=true]");
  for (let node = first; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  first?.focus();
  return homeless.map(([name, message]) => `${name} ${message}`);
}

function showFault(form, name, message) {
  const places = [...form.querySelectorAll("[data-field]")].filter(
    ({ dataset }) => name === dataset.field || name.startsWith(`${dataset.field}.`),
  );
  const place = places.sort((one, other) => other.dataset.field.length - one.dataset.field.length)[0];
  if (!place) return false;
  const rest = name.slice(place.dataset.field.length + 1);
  const error = place.querySelector(".field-error");
  error.textContent = [error.textContent, rest ? `${rest}: ${message}` : message].filter(Boolean).join("; ");
  place.querySelector("input, select, textarea").setAttribute("aria-invalid", "true");
  return true;
}

function clearFaults(form) {
  for (const error of form.querySelectorAll(".field-error")) error.textContent = "";
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

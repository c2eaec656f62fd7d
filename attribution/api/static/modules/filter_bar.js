// The filters of a view as chips that can be taken away, and what a dimension's values are called.

import { DIMENSIONS, filtersOf, go, toggled, unfiltered } from "./address.js";
import { el } from "./element.js";
import { icon } from "./icons.js";

const CLASSES = {
  valid: "Valid",
  bot: "Bot",
  head: "HEAD request",
  prefetch: "Prefetch",
  double: "Double click",
  datacenter: "Data centre",
  noconsent: "No consent",
};
const NOTHING = {
  referrer: "Direct or hidden",
  partner: "No partner",
  campaign: "No campaign",
  country: "Unknown",
};
const countryNames = new Intl.DisplayNames(undefined, { type: "region", fallback: "code" });

/** How a value of a dimension is written for people; `names` knows partners and campaigns. */
export function valueText(dimension, value, names) {
  if (value === null || value === "") return NOTHING[dimension] ?? "Not set";
  if (dimension === "country") return countryText(value);
  if (dimension === "class") return CLASSES[value] ?? value;
  if (dimension === "partner" || dimension === "campaign")
    return names?.[dimension]?.get(String(value)) ?? `#${value}`;
  if (dimension === "device") return value[0].toUpperCase() + value.slice(1);
  return value;
}

/** A country's name in the reader's language. */
export function countryText(code) {
  try {
    return countryNames.of(code);
  } catch {
    return code;
  }
}

/** Chips of the view's filters by these dimensions; nothing when there are none. */
export function filterBar(view, names, dimensions = Object.keys(DIMENSIONS)) {
  const chips = Object.entries(filtersOf(view))
    .filter(([dimension]) => dimensions.includes(dimension))
    .flatMap(([dimension, values]) => values.map((value) => chip(view, dimension, value, names)));
  if (!chips.length) return null;
  const clear = el(
    "button",
    {
      type: "button",
      class: "button is-quiet",
      "data-key": "clear-filters",
      on: { click: () => go(unfiltered(view)) },
    },
    "Clear",
  );
  return el("div", { class: "filter-bar", role: "group", "aria-label": "Filters" }, chips, clear);
}

function chip(view, dimension, value, names) {
  const text = valueText(dimension, value, names);
  return el(
    "button",
    {
      type: "button",
      class: "chip",
      "aria-label": `${DIMENSIONS[dimension]} ${text}: remove this filter`,
      on: { click: () => go(toggled(view, dimension, value)) },
    },
    el("span", { class: "chip-name" }, DIMENSIONS[dimension]),
    " ",
    el("span", { class: "chip-value" }, text),
    icon("close"),
  );
}

// Cards that split a report by its dimensions: a bar and the numbers of each value. Pressing a value filters by it.

import { DIMENSIONS, elsewhere, filtersOf, toggled } from "./address.js";
import { el, swap } from "./element.js";
import { valueText } from "./filter_bar.js";
import { icon } from "./icons.js";
import { countText, shareText } from "./numbers.js";
import { empty, loading } from "./states.js";
import { tabRow } from "./tabs.js";

/** The cards of a report of everything, each with its dimensions as tabs. */
const CARDS = [
  { title: "Links", dimensions: ["link"] },
  { title: "Countries", dimensions: ["country"] },
  { title: "Referrers", dimensions: ["referrer"] },
  { title: "Visitors", dimensions: ["device", "browser", "os", "class"] },
  { title: "UTM", dimensions: ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"] },
  { title: "Programme", dimensions: ["partner", "campaign"] },
];
/** Dimensions that say nothing about one of these. */
const SETTLED = { link: ["link", "partner", "campaign"], campaign: ["campaign"], partner: ["partner"] };
const TITLES = { partner: "Partners", campaign: "Campaigns" };
/** Pages of the values of a dimension. */
const PAGES = { link: "links", partner: "partners", campaign: "campaigns" };

/** The cards of a report of this subject. */
export function cardsOf(subject) {
  return CARDS.map(({ title, dimensions }) => {
    const left = dimensions.filter((name) => !(SETTLED[subject] ?? []).includes(name));
    return { title: left.length === 1 ? (TITLES[left[0]] ?? title) : title, dimensions: left };
  }).filter((card) => card.dimensions.length > 0);
}

/** {node, dimension(), update}: one card. `askAgain` is called when a tab asks for a dimension not loaded yet. */
export function breakdownCard(view, card, askAgain) {
  let shown = card.dimensions[0];
  let latest = null;
  const body = el("div", { class: "breakdown" }, loading(6));
  const choose = (name) => {
    shown = name;
    body.replaceChildren(loading(6));
    if (latest?.stats.breakdowns[name]) draw();
    else askAgain();
  };
  const labels = Object.fromEntries(card.dimensions.map((name) => [name, tabLabel(name)]));
  const tabs = card.dimensions.length > 1 && tabRow(card.title, labels, shown, body, choose);
  const node = el(
    "section",
    { class: "card", "aria-label": card.title },
    el("div", { class: "card-head" }, el("h2", {}, card.title), tabs),
    body,
  );

  function update(stats, names) {
    latest = { stats, names };
    if (stats.breakdowns[shown]) draw();
  }

  function draw() {
    swap(body, breakdown(view, shown, latest.stats, latest.names));
  }

  return { node, dimension: () => shown, update };
}

function tabLabel(dimension) {
  const word = DIMENSIONS[dimension].replace("UTM ", "");
  return word[0].toUpperCase() + word.slice(1);
}

function breakdown(view, dimension, stats, names) {
  const rows = stats.breakdowns[dimension];
  if (!rows.length) return empty("No clicks here yet", "Values appear with the first click of the period.");
  const measure = dimension === "class" ? "gross" : "clicks";
  const numbers = rows.map((row) => ({ ...row, bar: row[measure] ?? row.clicks }));
  const largest = Math.max(...numbers.map((row) => row.bar), 1);
  const whole = dimension === "class" ? stats.totals.gross : stats.totals.clicks;
  const titles = [DIMENSIONS[dimension], dimension === "class" ? "Requests" : "Clicks", "Share"];
  return el(
    "table",
    { class: "bars" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        titles.map((title) => el("th", { scope: "col" }, title)),
      ),
    ),
    el(
      "tbody",
      {},
      numbers.map((row) => line(view, dimension, row, largest, whole, names)),
    ),
  );
}

function line(view, dimension, row, largest, whole, names) {
  const value = row.value ?? "";
  const text = row.is_rest ? "All others" : valueText(dimension, row.value, names);
  const isOn = (filtersOf(view)[dimension] ?? []).includes(value);
  const label = [
    dimension === "country" && el("span", { class: "country-code", "aria-hidden": "true" }, value || "??"),
    el("span", { class: "clip" }, text),
  ];
  const filter = {
    href: toggled(view, dimension, value),
    "data-key": `${dimension}=${value}`,
    "aria-current": isOn ? "true" : null,
  };
  return el(
    "tr",
    { class: isOn ? "is-on" : null, "data-value": value },
    el(
      "th",
      { scope: "row", vars: { "--share": `${(row.bar / largest) * 100}%` } },
      row.is_rest
        ? el("span", { class: "bar-name is-muted" }, label)
        : el("a", { class: "bar-name", title: text, ...filter }, label),
      dimension in PAGES && value && !row.is_rest && opener(view, dimension, value, text),
    ),
    el("td", {}, countText(row.bar)),
    el("td", { class: "is-muted" }, shareText(row.bar, whole)),
  );
}

function opener(view, dimension, value, text) {
  return el(
    "a",
    {
      class: "bar-open",
      href: elsewhere(view, PAGES[dimension], value),
      "aria-label": `Open ${dimension} ${text}`,
      title: `Open ${dimension}`,
    },
    icon("right"),
  );
}

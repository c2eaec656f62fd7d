// Partners or campaigns side by side: what each brought and what is earned by it, and the table that lists them.

import { elsewhere } from "./address.js";
import { amountsCell } from "./amounts.js";
import { el, swap } from "./element.js";
import { valueText } from "./filter_bar.js";
import { countText, shareText } from "./numbers.js";
import { empty, loading } from "./states.js";

const PAGES = { partner: "partners", campaign: "campaigns" };
const TITLES = { partner: "Partner", campaign: "Campaign" };

/** A card that follows a report's numbers: {node, dimension(), update}. */
export function earningsCard(view, dimension, title) {
  const place = el("div", {}, loading(3));
  const node = el(
    "section",
    { class: "card", "aria-label": title },
    el("div", { class: "card-head" }, el("h2", {}, title)),
    place,
  );
  const update = (stats, names) =>
    swap(place, earningsTable(view, dimension, stats.breakdowns[dimension], stats.totals, names));
  return { node, dimension: () => dimension, update };
}

/** The table of these rows of a breakdown, their totals below. */
export function earningsTable(view, dimension, rows, totals, names) {
  if (!rows.length) return empty("Nothing in this period", "Rows appear with the first click.");
  const largest = Math.max(1, ...rows.map((row) => row.clicks));
  const titles = ["Clicks", "Unique", "Conversions", "Rate", "Revenue", "Commission"].map((title) =>
    el("th", { scope: "col", class: `number col-${title.toLowerCase()}` }, title),
  );
  return el(
    "table",
    { class: "list earnings" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, TITLES[dimension]), titles)),
    el(
      "tbody",
      {},
      rows.map((row) => earner(view, dimension, row, largest, names)),
    ),
    rows.length > 1 && el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "All"), cells(totals))),
  );
}

function earner(view, dimension, row, largest, names) {
  const text = row.is_rest ? "All others" : (row.name ?? valueText(dimension, row.value, names));
  const isOpen = row.value && !row.is_rest;
  const name = isOpen
    ? el("a", { class: "link-code", href: elsewhere(view, PAGES[dimension], row.value) }, text)
    : el("span", { class: "is-muted" }, text);
  return el(
    "tr",
    { "data-row": row.value ?? "" },
    el("th", { scope: "row" }, name, row.note && el("span", { class: "link-label" }, row.note)),
    cells(row, { "--share": `${(row.clicks / largest) * 100}%` }),
  );
}

function cells({ clicks, unique, conversions, revenue, commission }, vars = null) {
  const named = (title) => ({ "data-title": title });
  return [
    el("td", { class: vars ? "number bar-number" : "number", ...named("Clicks"), vars: vars ?? {} }, countText(clicks)),
    el("td", { class: "number col-unique", ...named("Unique") }, countText(unique)),
    el("td", { class: "number", ...named("Conversions") }, countText(conversions)),
    el("td", { class: "number col-rate", ...named("Rate") }, shareText(conversions, clicks)),
    amountsCell(revenue, named("Revenue")),
    amountsCell(commission, named("Commission")),
  ];
}

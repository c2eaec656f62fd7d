// Conversions as /v1/conversions lists them, as a table, with a box to tick each where the reader may decide on them.

import { elsewhere } from "./address.js";
import { commissionText, standingBadges } from "./conversions.js";
import { modelText } from "./credit_models.js";
import { el } from "./element.js";
import { dateTimeText } from "./moments.js";
import { moneyText } from "./numbers.js";

const TITLES = ["Transaction", "Partner", "When", "State", "Amount", "Commission", "Model"];

/** {node, add, replace, count}. `boxOf` makes the box of a conversion (null: no box for it), `allBox` stands above them. */
export function conversionTable(view, period, names, { boxOf = null, allBox = null } = {}) {
  const body = el("tbody", {});
  const heads = TITLES.map((title) => el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title));
  const boxHead = boxOf && el("th", { class: "col-box" }, allBox);
  const node = el("table", { class: "list conversions" }, el("thead", {}, el("tr", {}, boxHead, heads)), body);
  const build = (conversion) => row(view, period, names, conversion, boxOf);
  const find = (id) => [...body.rows].find((line) => line.dataset.conversion === id);
  return {
    node,
    add: (conversions) => body.append(...conversions.map(build)),
    replace: (conversion) => find(conversion.conversion_id)?.replaceWith(build(conversion)),
    count: () => body.rows.length,
  };
}

function row(view, period, names, conversion, boxOf) {
  const { conversion_id: id, transaction_id: transaction, event, amount, currency } = conversion;
  return el(
    "tr",
    { "data-conversion": id },
    boxOf && el("td", { class: "col-box" }, boxOf(conversion)),
    el(
      "th",
      { scope: "row" },
      el("a", { class: "link-code", href: elsewhere(view, "conversions", id) }, transaction ?? id),
      el("span", { class: "link-label" }, event),
    ),
    el("td", { class: "col-partner" }, partner(view, conversion, names)),
    el("td", { class: "col-when" }, momentText(conversion.occurred_at, period.zone)),
    el("td", { class: "col-state" }, standingBadges(conversion)),
    el("td", { class: "number col-amount" }, amount ? moneyText(amount, currency) : "–"),
    el("td", { class: "number col-commission" }, commissionText(conversion)),
    el("td", { class: "col-model" }, modelText(conversion.attribution_model)),
  );
}

function partner(view, { partner_id: id, code }, names) {
  if (id === null || id === undefined) return el("span", { class: "is-muted" }, "–");
  const name = names.partner.get(String(id));
  return [
    name === undefined
      ? el("span", { class: "is-muted" }, "Another partner")
      : el("a", { href: elsewhere(view, "partners", String(id)) }, name),
    code && el("span", { class: "link-label" }, code),
  ];
}

function momentText(moment, zone) {
  return moment ? dateTimeText(Date.parse(moment), zone) : "–";
}

// Money in several currencies: never added to one another, written one below the other, the largest first.

import { el } from "./element.js";
import { moneyText, plus, sizeOf } from "./numbers.js";

/** Sums by currency of [amount, currency] pairs, amounts being decimal strings; those without an amount are left out. */
export function sumsOf(pairs) {
  const sums = {};
  for (const [amount, currency] of pairs) {
    if (amount !== null && amount !== undefined) sums[currency] = plus(sums[currency] ?? "0", amount);
  }
  return sums;
}

/** "€12.00 and $3.00". */
export function amountsText(sums) {
  const texts = largestFirst(sums).map(([currency, amount]) => moneyText(amount, currency));
  return new Intl.ListFormat(undefined, { type: "conjunction" }).format(texts);
}

/** A cell of a table. */
export function amountsCell(sums, props = {}) {
  const [first, ...rest] = largestFirst(sums);
  return el(
    "td",
    { class: "number", ...props },
    first ? moneyText(first[1], first[0]) : el("span", { class: "is-muted" }, "–"),
    rest.map(([currency, amount]) => el("span", { class: "cell-also" }, moneyText(amount, currency))),
  );
}

function largestFirst(sums) {
  return Object.entries(sums).sort(
    ([one, amount], [other, size]) => sizeOf(size) - sizeOf(amount) || one.localeCompare(other),
  );
}

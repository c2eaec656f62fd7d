// The five numbers of a report: how each is read from a stats body, and how it is written.

import { changeOf, countText, moneyText, sizeOf } from "./numbers.js";

export const METRICS = {
  clicks: { label: "Clicks", isMoney: false },
  unique: { label: "Unique", isMoney: false },
  conversions: { label: "Conversions", isMoney: false },
  revenue: { label: "Revenue", isMoney: true },
  commission: { label: "Commission", isMoney: true },
};

/** Currencies of a stats body, the one with most revenue first. */
export function currenciesOf(stats) {
  const { revenue, commission } = stats.totals;
  const all = [...new Set([...Object.keys(revenue), ...Object.keys(commission)])];
  return all.sort((one, other) => sizeOf(revenue[other]) - sizeOf(revenue[one]) || one.localeCompare(other));
}

/** A metric of totals or of one step as a float: for drawing only. */
export function sizeIn(numbers, metric, currency) {
  return METRICS[metric].isMoney ? sizeOf(numbers[metric][currency]) : numbers[metric];
}

/** A metric as people read it. */
export function metricText(numbers, metric, currency) {
  if (!METRICS[metric].isMoney) return countText(numbers[metric]);
  return currency ? moneyText(numbers[metric][currency] ?? "0.00", currency) : "–";
}

/** A drawn value, on an axis or under the pointer. */
export function sizeText(size, metric, currency, options = {}) {
  return METRICS[metric].isMoney && currency ? moneyText(size, currency, options) : countText(size);
}

/** The change against the totals of the period before; null without any. */
export function changeIn(totals, before, metric, currency) {
  return before && changeOf(sizeIn(totals, metric, currency), sizeIn(before, metric, currency));
}

// The five headline numbers, each with its course and its change. Pressing one draws it in the chart below.

import { changed } from "./address.js";
import { el } from "./element.js";
import { METRICS, changeIn, metricText, sizeIn } from "./metrics.js";
import { changeText, countText, moneyText, rateText } from "./numbers.js";
import { sparkline } from "./sparkline.js";

/** All five, for a stats body and the totals of the period before (or null). */
export function tiles(view, stats, before, currencies, metric) {
  return Object.keys(METRICS).map((name) => tile(view, stats, before, currencies, name, name === metric));
}

function tile(view, stats, before, currencies, metric, isDrawn) {
  const { label, isMoney } = METRICS[metric];
  const value = metricText(stats.totals, metric, currencies[0]);
  const course = overSteps(stats.series).map((step) => sizeIn(step, metric, currencies[0]));
  return el(
    "a",
    {
      class: "tile",
      href: changed(view, { metric }),
      "aria-current": isDrawn ? "true" : null,
      "data-key": `tile-${metric}`,
      "data-metric": metric,
    },
    el("span", { class: "tile-label" }, label),
    el("span", { class: "tile-value", title: value }, value),
    el(
      "span",
      { class: "tile-notes" },
      change(changeIn(stats.totals, before, metric, currencies[0])),
      note(stats.totals, metric),
    ),
    isMoney &&
      currencies
        .slice(1, 3)
        .map((other) =>
          el("span", { class: "tile-also" }, moneyText(stats.totals[metric][other] ?? "0", other)),
        ),
    sparkline(course),
  );
}

/** Steps that are over: the one that is running would look like a fall. */
function overSteps(series) {
  const over = series.filter((_, index) => Date.parse(series[index + 1]?.start) <= Date.now());
  return over.length > 1 ? over : series;
}

function change(value) {
  if (value === null) return null;
  // what is written as 0 % is neither up nor down
  const percents = Math.round(value * 100);
  const direction = percents > 0 ? "is-up" : percents < 0 ? "is-down" : "";
  return el("span", { class: `change ${direction}`, title: "Against the period before" }, changeText(value));
}

function note(totals, metric) {
  const notes = {
    clicks: totals.gross > totals.clicks && `${countText(totals.gross - totals.clicks)} filtered`,
    conversions: totals.conversions > 0 && `${rateText(totals.conversion_rate)} of clicks`,
  };
  return notes[metric] ? el("span", { class: "tile-note" }, notes[metric]) : null;
}

// The card with the course of one metric: its drawing, buttons to zoom for who has no pointer, and a table that says
// it all in text.

import { changed, go } from "./address.js";
import { el, swap } from "./element.js";
import { icon } from "./icons.js";
import { METRICS, metricText } from "./metrics.js";
import { bucketText } from "./moments.js";
import { customQuery, fittingIntervals } from "./period.js";
import { loading } from "./states.js";
import { timePlot } from "./time_plot.js";

const HOUR_MS = 3_600_000;

/** {node, update}: a chart that lives until `signal` aborts. */
export function timeChart(view, period, signal) {
  const plot = timePlot(view, period, signal);
  const table = el(
    "details",
    { class: "chart-table", on: { toggle: () => fillTable() } },
    el("summary", {}, "Show as a table"),
  );
  const heading = el("div", { class: "card-head" }, loading(1));
  const node = el(
    "section",
    { class: "card chart", "aria-label": "Course over time" },
    heading,
    plot.node,
    table,
  );
  let drawn = null;

  function update(stats, before, metric, currency) {
    drawn = { stats, before, metric, currency };
    swap(heading, head(view, period, drawn));
    plot.draw(drawn, summary(drawn, period));
    fillTable();
  }

  function fillTable() {
    table.querySelector("table")?.remove();
    if (table.open && drawn) table.append(asTable(drawn, period));
  }

  return { node, update };
}

function head(view, period, { metric }) {
  return [
    el("h2", {}, METRICS[metric].label),
    el(
      "span",
      { class: "legend" },
      el("span", { class: "legend-now" }, "this period"),
      el("span", { class: "legend-before" }, "period before"),
    ),
    intervals(view, period),
    el(
      "div",
      { class: "button-row" },
      zoomButton(view, period, 0.5, "zoomIn", "Zoom in"),
      zoomButton(view, period, 2, "zoomOut", "Zoom out"),
    ),
  ];
}

function intervals(view, period) {
  const choose = (event) => go(changed(view, { interval: event.target.value }));
  return el(
    "select",
    { class: "small", "aria-label": "Step of the chart", "data-key": "interval", on: { change: choose } },
    fittingIntervals(period).map((name) =>
      el("option", { value: name, selected: name === period.interval }, `by ${name}`),
    ),
  );
}

function zoomButton(view, period, factor, name, label) {
  const middle = (period.startMs + period.endMs) / 2;
  const half = ((period.endMs - period.startMs) * factor) / 2;
  const grain = half > 36 * HOUR_MS ? 24 * HOUR_MS : HOUR_MS;
  const [start, end] = [middle - half, middle + half].map(
    (ms) => period.startMs + Math.round((ms - period.startMs) / grain) * grain,
  );
  const isPossible = end - start >= 2 * HOUR_MS && end - start < 3 * 366 * 24 * HOUR_MS;
  const zoom = () => go(changed(view, customQuery(start, end, period.zone)));
  return el(
    "button",
    {
      type: "button",
      class: "button is-icon",
      "aria-label": label,
      title: label,
      "data-key": name,
      disabled: !isPossible,
      on: { click: zoom },
    },
    icon(name),
  );
}

function summary({ stats, metric, currency }, period) {
  const total = metricText(stats.totals, metric, currency);
  return `${METRICS[metric].label} by ${period.interval}, ${period.label}: ${total} in all. The table below has every step.`;
}

function asTable({ stats, before, metric, currency }, period) {
  const rows = stats.series.map((step, index) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, bucketText(Date.parse(step.start), period.zone, period.interval)),
      el("td", {}, metricText(step, metric, currency)),
      el("td", {}, before?.series[index] ? metricText(before.series[index], metric, currency) : "–"),
    ),
  );
  const titles = [period.interval, METRICS[metric].label, "Period before"].map((title) =>
    el("th", { scope: "col" }, title),
  );
  return el("table", { class: "plain-table" }, el("thead", {}, el("tr", {}, titles)), el("tbody", {}, rows));
}

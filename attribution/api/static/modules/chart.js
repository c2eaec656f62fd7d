// The time series of one metric with uPlot, the period before as a dashed line. Dragging over a stretch zooms into it
// by changing the address; the buttons do the same for keyboards, and a table says it all in text.

import { changed, go } from "./address.js";
import { el, swap } from "./element.js";
import { icon } from "./icons.js";
import { METRICS, metricText, sizeIn, sizeText } from "./metrics.js";
import { bucketText } from "./moments.js";
import { compactText } from "./numbers.js";
import { customQuery, fittingIntervals } from "./period.js";
import { THEME_CHANGED, colour } from "./theme.js";

const HEIGHT = 264;
const HOUR_MS = 3_600_000;

/** {node, update}: a chart that follows the width of its place until `signal` aborts. */
export function timeChart(view, period, signal) {
  const canvas = el("div", { class: "chart-canvas" });
  const tip = el("div", { class: "chart-tip", hidden: true });
  const table = el(
    "details",
    { class: "chart-table", on: { toggle: () => fillTable() } },
    el("summary", {}, "Show as a table"),
  );
  const heading = el("div", { class: "card-head" });
  const node = el(
    "section",
    { class: "card chart", "aria-label": "Course over time" },
    heading,
    canvas,
    table,
  );
  let drawn = null;
  let plot = null;

  const redraw = () => {
    if (!drawn || !canvas.clientWidth) return;
    plot?.destroy();
    plot = new globalThis.uPlot(options(drawn, view, period, canvas.clientWidth, tip), dataOf(drawn), canvas);
    plot.over.append(tip);
  };
  const follow = new ResizeObserver(() => {
    if (!plot) redraw();
    else if (plot.width !== canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
  });
  follow.observe(canvas);
  window.addEventListener(THEME_CHANGED, redraw, { signal });
  signal.addEventListener("abort", () => {
    follow.disconnect();
    plot?.destroy();
  });

  function update(stats, before, metric, currency) {
    const isSame =
      plot &&
      drawn?.metric === metric &&
      drawn.currency === currency &&
      drawn.stats.series.length === stats.series.length;
    drawn = { stats, before, metric, currency, interval: period.interval };
    swap(heading, head(view, period, drawn));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", summary(drawn, period));
    if (isSame) plot.setData(dataOf(drawn));
    else redraw();
    fillTable();
  }

  function fillTable() {
    table.querySelector("table")?.remove();
    if (table.open && drawn) table.append(asTable(drawn, period));
  }

  return { node, update };
}

function dataOf({ stats, before, metric, currency }) {
  const steps = stats.series;
  const now = Date.now();
  return [
    steps.map((step) => Date.parse(step.start) / 1000),
    steps.map((step) => (Date.parse(step.start) > now ? null : sizeIn(step, metric, currency))),
    steps.map((_, index) => (before?.series[index] ? sizeIn(before.series[index], metric, currency) : null)),
  ];
}

function options(drawn, view, period, width, tip) {
  const { metric, currency } = drawn;
  const accent = colour("accent");
  const isShort = drawn.stats.series.length < 3;
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [12, 8, 0, 0],
    tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), period.zone),
    cursor: { y: false, points: { size: 8 }, drag: { setScale: false } },
    scales: { y: { range: (_, __, largest) => [0, Math.max(largest * 1.12, 1)] } },
    axes: [timeAxis(), amountAxis(metric, currency)],
    series: [
      {},
      {
        stroke: accent,
        width: 2,
        fill: (plot) => shade(plot, accent),
        points: { show: isShort, size: 7 },
        spanGaps: false,
      },
      { stroke: colour("faint"), width: 1.5, dash: [5, 5], points: { show: false } },
    ],
    hooks: {
      setCursor: [(plot) => showTip(plot, drawn, period, tip)],
      setSelect: [(plot) => zoomTo(plot, view, period)],
    },
  };
}

function timeAxis() {
  return {
    stroke: colour("muted"),
    font: "12px Inter, system-ui, sans-serif",
    grid: { show: false },
    ticks: { show: false },
    space: 64,
  };
}

function amountAxis(metric, currency) {
  const short = { notation: "compact", maximumFractionDigits: 1 };
  const text = (value) =>
    METRICS[metric].isMoney ? sizeText(value, metric, currency, short) : compactText(value);
  return {
    stroke: colour("muted"),
    font: "12px Inter, system-ui, sans-serif",
    size: 56,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    values: (_, values) =>
      values.map((value) => (METRICS[metric].isMoney || Number.isInteger(value) ? text(value) : "")),
  };
}

function shade(plot, accent) {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, `${accent}38`);
  gradient.addColorStop(1, `${accent}05`);
  return gradient;
}

function showTip(plot, { stats, before, metric, currency }, period, tip) {
  const { idx, left } = plot.cursor;
  const step = stats.series[idx];
  tip.hidden = left < 0 || !step;
  if (tip.hidden) return;
  tip.replaceChildren(
    el("span", { class: "tip-when" }, bucketText(Date.parse(step.start), period.zone, period.interval)),
    el("strong", {}, `${metricText(step, metric, currency)} ${METRICS[metric].label.toLowerCase()}`),
    before?.series[idx]
      ? el("span", { class: "tip-before" }, `${metricText(before.series[idx], metric, currency)} before`)
      : "",
  );
  const isRight = left > plot.over.clientWidth / 2;
  tip.style.setProperty("--x", `${isRight ? left - tip.offsetWidth - 12 : left + 12}px`);
}

function zoomTo(plot, view, period) {
  const { left, width } = plot.select;
  if (width < 8) return;
  const [from, to] = [left, left + width].map((x) => plot.posToIdx(x));
  const starts = plot.data[0].map((seconds) => seconds * 1000);
  const end = starts[to + 1] ?? period.endMs;
  go(changed(view, customQuery(Math.max(starts[from], period.startMs), end, period.zone)));
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

// Draws the course of one metric with uPlot, the period before as a dashed line. Dragging over a stretch zooms into it
// by changing the address.

import { changed, go } from "./address.js";
import { el } from "./element.js";
import { METRICS, metricText, sizeIn, sizeText } from "./metrics.js";
import { bucketText, dayOf } from "./moments.js";
import { compactText } from "./numbers.js";
import { customQuery } from "./period.js";
import { THEME_CHANGED, colour } from "./theme.js";

const FONT = "12px Inter, system-ui, sans-serif";
const DAY_S = 86_400;
const DRAG_PX_MIN = 8;

/** {node, draw}: a drawing that fills its place and follows it and the colours until `signal` aborts. */
export function timePlot(view, period, signal) {
  const node = el("div", { class: "chart-canvas", role: "img" });
  const tip = el("div", { class: "chart-tip", hidden: true });
  let drawn = null;
  let plot = null;

  function draw(next, summary) {
    const isSameShape =
      drawn !== null &&
      drawn.currency === next.currency &&
      drawn.stats.series.length === next.stats.series.length;
    drawn = next;
    node.setAttribute("aria-label", summary);
    if (plot && isSameShape) plot.setData(dataOf(drawn));
    else redraw();
  }

  function redraw() {
    if (!drawn || !node.clientWidth) return;
    plot?.destroy();
    const size = { width: node.clientWidth, height: node.clientHeight };
    plot = new globalThis.uPlot({ ...size, ...options(drawn, period), hooks: hooks() }, dataOf(drawn), node);
    plot.over.append(tip);
  }

  function hooks() {
    return {
      setCursor: [() => showTip(plot, drawn, period, tip)],
      setSelect: [() => zoomTo(plot, view, period)],
    };
  }

  const follow = new ResizeObserver(() => {
    if (plot) plot.setSize({ width: node.clientWidth, height: node.clientHeight });
    else redraw();
  });
  follow.observe(node);
  window.addEventListener(THEME_CHANGED, redraw, { signal });
  signal.addEventListener("abort", () => {
    follow.disconnect();
    plot?.destroy();
  });
  return { node, draw };
}

/** Seconds, this period, the period before, and the step that is still running: it is no fall, it is not over. */
function dataOf({ stats, before, metric, currency }) {
  const steps = stats.series;
  const starts = steps.map((step) => Date.parse(step.start));
  const running = runningStep(starts);
  const sizes = steps.map((step) => sizeIn(step, metric, currency));
  return [
    starts.map((ms) => ms / 1000),
    sizes.map((size, index) => (index >= running && running > 0 ? null : size)),
    steps.map((_, index) => (before?.series[index] ? sizeIn(before.series[index], metric, currency) : null)),
    sizes.map((size, index) => (index === running || index === running - 1 ? size : null)),
  ];
}

/** The place of the step we are in; past the end where the period is over. */
function runningStep(starts) {
  const now = Date.now();
  const length = starts.length > 1 ? starts.at(-1) - starts.at(-2) : Infinity;
  const next = starts.findIndex((ms) => ms > now);
  if (next > 0) return next - 1;
  return starts.at(-1) + length > now ? starts.length - 1 : starts.length;
}

function options({ stats, metric, currency }, period) {
  const accent = colour("accent");
  return {
    legend: { show: false },
    padding: [12, 24, 0, 0],
    tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), period.zone),
    cursor: { y: false, points: { size: 8 }, drag: { setScale: false } },
    scales: { y: { range: (_, __, largest) => [0, Math.max(largest * 1.12, 1)] } },
    axes: [timeAxis(period.zone), amountAxis(metric, currency)],
    series: [
      {},
      {
        stroke: accent,
        width: 2,
        fill: (plot) => shade(plot, accent),
        points: { show: stats.series.length < 3, size: 7 },
      },
      { stroke: colour("faint"), width: 1.5, dash: [5, 5], points: { show: false } },
      { stroke: accent, width: 2, dash: [2, 4], points: { show: false } },
    ],
  };
}

function timeAxis(zone) {
  return {
    stroke: colour("muted"),
    font: FONT,
    grid: { show: false },
    ticks: { show: false },
    size: 32,
    space: 72,
    values: (_, seconds, __, ___, step) => seconds.map((at) => tickText(at * 1000, step, zone)),
  };
}

function tickText(ms, stepS, zone) {
  const isMidnight = dayOf(ms, zone) !== dayOf(ms - 1, zone);
  const options =
    stepS >= 28 * DAY_S
      ? { month: "short", year: "numeric" }
      : stepS >= DAY_S || isMidnight
        ? { day: "numeric", month: "short" }
        : { hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone }).format(ms);
}

function amountAxis(metric, currency) {
  const short = { notation: "compact", maximumFractionDigits: 1 };
  const { isMoney } = METRICS[metric];
  const text = (value) => (isMoney ? sizeText(value, metric, currency, short) : compactText(value));
  return {
    stroke: colour("muted"),
    font: FONT,
    size: 56,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    values: (_, values) => values.map((value) => (isMoney || Number.isInteger(value) ? text(value) : "")),
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
  const past = before?.series[idx];
  const rows = [
    el("span", { class: "tip-when" }, bucketText(Date.parse(step.start), period.zone, period.interval)),
    el("strong", {}, `${metricText(step, metric, currency)} ${METRICS[metric].label.toLowerCase()}`),
    past && el("span", { class: "tip-before" }, `${metricText(past, metric, currency)} before`),
  ];
  tip.replaceChildren(...rows.filter(Boolean));
  const isRight = left > plot.over.clientWidth / 2;
  tip.style.setProperty("--x", `${isRight ? left - tip.offsetWidth - 12 : left + 12}px`);
}

function zoomTo(plot, view, period) {
  const { left, width } = plot.select;
  if (width < DRAG_PX_MIN) return;
  const [from, to] = [left, left + width].map((x) => plot.posToIdx(x));
  const starts = plot.data[0].map((seconds) => seconds * 1000);
  const end = starts[to + 1] ?? period.endMs;
  go(changed(view, customQuery(Math.max(starts[from], period.startMs), end, period.zone)));
}

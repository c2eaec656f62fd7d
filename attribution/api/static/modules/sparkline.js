// A line without axes, as a hint of a number's course. Decoration: the chart and its table say it properly.

import { svg } from "./element.js";

const WIDTH = 120;
const HEIGHT = 28;

/** The course of some values. */
export function sparkline(values) {
  const largest = Math.max(...values, 1e-9);
  const step = WIDTH / Math.max(values.length - 1, 1);
  const points = values.map((value, index) => [index * step, HEIGHT - 2 - (value / largest) * (HEIGHT - 4)]);
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" L");
  return svg(
    "svg",
    {
      class: "sparkline",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    svg("path", { class: "sparkline-area", d: `M0,${HEIGHT} L${line} L${WIDTH},${HEIGHT} Z` }),
    svg("path", { class: "sparkline-line", d: `M${line}` }),
  );
}

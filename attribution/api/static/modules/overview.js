// Everything the key may see, at a glance.

import { pageHead } from "./page_head.js";
import { el } from "./element.js";
import { report } from "./report.js";

/** {title, node, ready} of the page. */
export function overviewPage(view, period, signal) {
  const { node, ready } = report(view, period, signal);
  return { title: "Overview", node: el("div", {}, pageHead(view, period, "Overview"), node), ready };
}

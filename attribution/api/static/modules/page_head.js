// The head of a page: its title, what can be done there, and the period it looks at.

import { el } from "./element.js";
import { periodPicker } from "./period_picker.js";

/** Title, an optional line below it, actions, and the period picker unless the page has no period (null). */
export function pageHead(view, period, title, { below = null, actions = [] } = {}) {
  return el(
    "div",
    { class: "page-head" },
    el("div", { class: "page-title" }, el("h1", { tabindex: -1 }, title), below),
    el("div", { class: "page-actions" }, actions, period && periodPicker(view, period)),
  );
}

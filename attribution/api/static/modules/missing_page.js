// An address that names no page.

import { elsewhere } from "./address.js";
import { el } from "./element.js";
import { pageHead } from "./page_head.js";
import { empty } from "./states.js";

/** {title, node, ready} of the page. */
export function missingPage(view) {
  const back = el("a", { class: "button", href: elsewhere(view, "overview") }, "To the overview");
  const node = el(
    "div",
    {},
    pageHead(view, null, "Nothing here"),
    el("div", { class: "card" }, empty("This address names no page", null, back)),
  );
  return { title: "Nothing here", node, ready: Promise.resolve() };
}

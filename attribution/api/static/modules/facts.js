// The names and values that say what something is.

import { el } from "./element.js";

/** A list of {name: value}; those without a value are left out. */
export function factsList(facts) {
  const rows = Object.entries(facts)
    .filter(([, value]) => value)
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  return el("dl", { class: "facts" }, rows);
}

/** An address elsewhere: an anchor only for what a browser may safely open. */
export function outside(url) {
  if (!/^https?:\/\//i.test(url)) return url;
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url);
}

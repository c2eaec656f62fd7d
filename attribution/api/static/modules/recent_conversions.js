// The last conversions of what a page is about, and the way to all of them.

import { elsewhere } from "./address.js";
import { get } from "./api.js";
import { conversionTable } from "./conversion_table.js";
import { el } from "./element.js";
import { periodQuery } from "./period.js";
import { fetchNames } from "./programme.js";
import { empty, fill } from "./states.js";
import { subjectQuery } from "./subject.js";

const SHOWN = 8;

/** The card. */
export function recentConversions(view, period, signal) {
  const place = el("div", {});
  const { start, end } = periodQuery(period);
  const query = { start, end, limit: SHOWN, ...subjectQuery(view) };
  const load = async () => [await get("/v1/conversions", query, signal), await fetchNames()];
  const all = el("a", { href: elsewhere(view, "conversions", null, subjectQuery(view)) }, "All conversions");
  fill(place, load, ([{ conversions }, names]) => build(view, period, conversions, names), 4);
  return el(
    "section",
    { class: "card recent", "aria-label": "Last conversions" },
    el("div", { class: "card-head" }, el("h2", {}, "Last conversions"), all),
    place,
  );
}

function build(view, period, conversions, names) {
  if (!conversions.length) return empty("No conversions in this period", "A shop reports them to the door.");
  const table = conversionTable(view, period, names);
  table.add(conversions);
  return table.node;
}

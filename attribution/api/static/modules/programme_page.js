// All partners, or all campaigns: what each brought in the period, those without a click too.

import { elsewhere } from "./address.js";
import { earningsTable } from "./earnings.js";
import { el } from "./element.js";
import { pageHead } from "./page_head.js";
import { fetchNames, fetchRows } from "./programme.js";
import { commissionRate } from "./rates.js";
import { empty, fill, loading } from "./states.js";
import { fetchStats } from "./stats.js";

const PLACES = { partners: "Partners", campaigns: "Campaigns" };
const TOP = 1000;

/** {title, node, ready} of the page. */
export function programmePage(view, period, signal) {
  const title = PLACES[view.page];
  const dimension = view.page.slice(0, -1);
  const place = el("div", { class: "card list-card" }, loading(8));
  const node = el(
    "div",
    {},
    pageHead(view, period, title),
    el("div", { class: "list-tools" }, switcher(view)),
    place,
  );

  async function load() {
    const [stats, rows, names] = await Promise.all([
      fetchStats(view, period, [dimension], signal, { top: TOP, filters: {} }),
      fetchRows(),
      fetchNames(),
    ]);
    return { stats, rows: rows[dimension], names };
  }

  function build({ stats, rows, names }) {
    const all = everyOne(stats.breakdowns[dimension], rows);
    if (!all.length) return empty(`No ${view.page} yet`, "clickledger apply makes a programme from a file.");
    return earningsTable(view, dimension, all, stats.totals, names);
  }

  return { title, node, ready: fill(place, load, build, 8) };
}

function switcher(view) {
  const options = Object.entries(PLACES).map(([page, label]) =>
    el(
      "a",
      {
        class: "segment",
        href: elsewhere(view, page),
        "aria-current": page === view.page ? "true" : null,
        "data-key": `programme-${page}`,
      },
      label,
    ),
  );
  return el("nav", { class: "segments", "aria-label": "Programme" }, options);
}

/** The rows that have numbers, each with what is known of it, then those that have none. */
function everyOne(counted, known) {
  const none = { clicks: 0, unique: 0, conversions: 0, revenue: {}, commission: {} };
  const seen = new Set(counted.map((row) => row.value));
  const others = [...known].filter(([id]) => !seen.has(id)).map(([id]) => ({ value: id, ...none }));
  return [...counted, ...others].map((row) => ({ ...row, note: noteOf(known.get(row.value)) }));
}

function noteOf(known) {
  if (!known) return null;
  const rate = known.commission_type && commissionRate(known.commission_type, known.commission_value);
  const state = known.status === "active" ? null : known.status;
  return [known.tier, rate, state].filter(Boolean).join(" · ");
}

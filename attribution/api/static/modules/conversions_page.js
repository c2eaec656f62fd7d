// The conversions of a period, newest first, page after page; those that wait are approved or rejected here, one by
// one on their own pages or several at once.

import { amountsText, sumsOf } from "./amounts.js";
import { changed } from "./address.js";
import { get } from "./api.js";
import { conversionTable } from "./conversion_table.js";
import { commissionOf, mayReject } from "./conversions.js";
import { decisionButtons, nameOf } from "./decisions.js";
import { el, swap } from "./element.js";
import { filterBar } from "./filter_bar.js";
import { countText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { periodQuery } from "./period.js";
import { fetchNames } from "./programme.js";
import { selection } from "./selection.js";
import { currentRole } from "./session.js";
import { announce, empty, failed, loading } from "./states.js";

const PAGE = 50;
const STATUSES = { "": "All", pending: "Pending", approved: "Approved", rejected: "Rejected", paid: "Paid" };
const FILTERS = ["link", "partner", "campaign"];

/** {title, node, ready} of the page. */
export function conversionsPage(view, period, signal) {
  const place = el("div", { class: "card list-card" }, loading(8));
  const foot = el("p", { class: "list-foot" });
  const bar = el("div", { class: "choice-bar", role: "region", "aria-label": "Selected conversions", hidden: true });
  const chips = el("div", { class: "filter-place" });
  const node = el(
    "div",
    {},
    pageHead(view, period, "Conversions"),
    el("div", { class: "list-tools" }, statusSwitch(view), chips),
    bar, // before the rows, so that it is one step back from the box that ticks them all
    place,
  );
  const ask = (cursor) => get("/v1/conversions", { ...askedOf(view, period), limit: PAGE, cursor }, signal);
  const chosen = selection((conversions) => showChoice(conversions));
  let table = null;

  async function load() {
    try {
      const [first, names] = await Promise.all([ask(null), fetchNames()]);
      swap(chips, filterBar(view, names, FILTERS));
      if (!first.conversions.length) return place.replaceChildren(nothing(view));
      table = conversionTable(view, period, names, boxes());
      add(first);
      place.replaceChildren(table.node, foot);
    } catch (error) {
      if (error.name === "AbortError") return;
      place.replaceChildren(failed(error, load));
    }
  }

  function boxes() {
    if (currentRole() === "partner") return {};
    const boxOf = (one) => mayReject(one) && chosen.boxOf(one.conversion_id, nameOf(one), one);
    return { allBox: chosen.allBox, boxOf };
  }

  function add({ conversions, next_cursor: cursor }) {
    table.add(conversions);
    const more = () => ask(cursor).then(add, (problem) => announce(problem.message));
    foot.replaceChildren(
      cursor ? `The ${countText(table.count())} newest` : `${countText(table.count())} in all`,
      cursor ? el("button", { type: "button", class: "button", on: { click: more } }, "Show more") : "",
    );
  }

  function showChoice(conversions) {
    bar.hidden = conversions.length === 0;
    node.classList.toggle("has-choice", !bar.hidden);
    const sums = sumsOf(conversions.map((one) => [commissionOf(one), one.currency]));
    const decided = new Map(conversions.map((one) => [one.conversion_id, one]));
    swap(
      bar,
      el("strong", { "aria-live": "polite" }, `${countText(conversions.length)} selected`),
      el("span", { class: "is-muted" }, `${amountsText(sums)} commission`),
      el(
        "div",
        { class: "choice-actions" },
        decisionButtons(conversions, (body) => redraw(decided.get(body.conversion_id), body)),
        el("button", { type: "button", class: "button is-quiet", on: { click: chosen.clear } }, "Clear"),
      ),
    );
  }

  /** The row of a conversion that was decided; it keeps what only lists know. */
  function redraw(listed, body) {
    const { status, outcome, reason, is_held } = body;
    chosen.forget(body.conversion_id);
    table.replace({ ...listed, status, outcome, reason, is_held });
  }

  return { title: "Conversions", node, ready: load() };
}

/** What the API is asked of the view's period, status and filters. */
function askedOf(view, period) {
  const { start, end } = periodQuery(period);
  const filters = Object.fromEntries(FILTERS.map((name) => [name, view.query.get(name)]));
  return { start, end, status: statusOf(view) || null, ...filters };
}

function statusOf(view) {
  const status = view.query.get("status") ?? "";
  return Object.hasOwn(STATUSES, status) ? status : "";
}

function statusSwitch(view) {
  const options = Object.entries(STATUSES).map(([status, label]) =>
    el(
      "a",
      {
        class: "segment",
        href: changed(view, { status: status || null }),
        "aria-current": status === statusOf(view) ? "true" : null,
        "data-key": `status-${status}`,
      },
      label,
    ),
  );
  return el("nav", { class: "segments", "aria-label": "Status" }, options);
}

function nothing(view) {
  const isNarrowed = statusOf(view) !== "" || FILTERS.some((name) => view.query.has(name));
  return isNarrowed
    ? empty("Nothing like that in this period", "Another status, fewer filters or a longer period may have some.")
    : empty(
        "No conversions in this period",
        "Shops report them to /-/pb or /-/conversions of the door with the click id they were given.",
      );
}

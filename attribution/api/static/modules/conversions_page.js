// The conversions of a period, newest first, page after page.

import { elsewhere } from "./address.js";
import { get } from "./api.js";
import { commissionText, outcomeBadge, statusBadge } from "./conversions.js";
import { modelText } from "./credit_models.js";
import { el } from "./element.js";
import { dateTimeText } from "./moments.js";
import { moneyText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { periodQuery } from "./period.js";
import { announce, empty, failed, loading } from "./states.js";

const PAGE = 100;

/** {title, node, ready} of the page. */
export function conversionsPage(view, period, signal) {
  const place = el("div", { class: "card list-card" }, loading(8));
  const body = el("tbody", {});
  const foot = el("p", { class: "list-foot" });
  const node = el("div", {}, pageHead(view, period, "Conversions"), place);
  const { start, end } = periodQuery(period);
  const ask = (cursor) => get("/v1/conversions", { start, end, limit: PAGE, cursor }, signal);

  async function load() {
    try {
      const first = await ask(null);
      if (!first.conversions.length) return place.replaceChildren(nothing());
      add(first);
      place.replaceChildren(list(body), foot);
    } catch (error) {
      if (error.name === "AbortError") return;
      place.replaceChildren(error.isMissing ? unavailable() : failed(error, load));
    }
  }

  function add({ conversions, next_cursor: cursor }) {
    body.append(...conversions.map((conversion) => row(view, period, conversion)));
    const more = () => ask(cursor).then(add, (problem) => announce(problem.message));
    foot.replaceChildren(
      cursor
        ? el("button", { type: "button", class: "button", on: { click: more } }, "Show more")
        : `${body.rows.length} in all`,
    );
  }

  return { title: "Conversions", node, ready: load() };
}

function nothing() {
  return empty(
    "No conversions in this period",
    "Shops report them to /-/pb or /-/conversions of the door with the click id they were given.",
  );
}

function unavailable() {
  return empty(
    "Not available yet",
    "This server does not list conversions yet. Their sums are in the overview.",
  );
}

function list(body) {
  const titles = ["Transaction", "When", "Outcome", "Amount", "Commission", "Model"];
  const heads = titles.map((title) => el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title));
  return el("table", { class: "list" }, el("thead", {}, el("tr", {}, heads)), body);
}

function row(view, period, conversion) {
  const {
    conversion_id: id,
    transaction_id: transaction,
    event,
    amount,
    currency,
    occurred_at: occurredAt,
  } = conversion;
  return el(
    "tr",
    { "data-conversion": id },
    el(
      "th",
      { scope: "row" },
      el("a", { class: "link-code", href: elsewhere(view, "conversions", id) }, transaction ?? id),
      el("span", { class: "link-label" }, event),
    ),
    el("td", { class: "col-when" }, occurredAt ? dateTimeText(Date.parse(occurredAt), period.zone) : "–"),
    el("td", {}, outcomeBadge(conversion), " ", statusBadge(conversion)),
    el("td", { class: "number" }, amount ? moneyText(amount, currency) : "–"),
    el("td", { class: "number" }, commissionText(conversion)),
    el("td", { class: "col-model" }, modelText(conversion.attribution_model)),
  );
}

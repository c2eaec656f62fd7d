// Why a conversion came out as it did: every candidate click, in or out, and every rate that was considered.

import { elsewhere } from "./address.js";
import { valueText } from "./filter_bar.js";
import { el } from "./element.js";
import { dateTimeText } from "./moments.js";
import { commissionRate } from "./rates.js";
import { empty } from "./states.js";

const SOURCES = {
  campaign: "Campaign",
  override: "Partner's own rate",
  event_type: "Event type",
  rule: "Rule",
  tier: "Tier",
};

/** The card's content; `body` is the answer of `/explain`. */
export function explanation(view, body, names, zone) {
  const head = el("div", { class: "card-head" }, el("h2", {}, "Explanation"));
  return el(
    "div",
    {},
    head,
    body.candidates.length
      ? candidateTable(view, body.candidates, zone)
      : empty("No candidate clicks", "Nothing that was reported with it leads to a click."),
    body.rates.map((rate) => rateTable(rate, names)),
  );
}

function candidateTable(view, candidates, zone) {
  const titles = ["Click", "When", "Verdict", "Why"].map((title) =>
    el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title),
  );
  return el(
    "table",
    { class: "list reasons" },
    el("thead", {}, el("tr", {}, titles)),
    el(
      "tbody",
      {},
      candidates.map((candidate) => candidateRow(view, candidate, zone)),
    ),
  );
}

function candidateRow(view, candidate, zone) {
  const { code, is_in: isIn, click_class: clickClass } = candidate;
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      code ? el("a", { href: elsewhere(view, "links", code) }, code) : candidate.click_id,
    ),
    el("td", { class: "col-when" }, dateTimeText(Date.parse(candidate.clicked_at), zone)),
    el(
      "td",
      {},
      el("span", { class: `badge ${isIn ? "is-on" : "is-off"}` }, isIn ? "counts" : "does not count"),
      clickClass !== "valid" && [" ", el("span", { class: "badge" }, valueText("class", clickClass))],
    ),
    el("td", {}, candidate.why),
  );
}

/** The rates considered for one partner; the one that won is marked. */
function rateTable(rate, names) {
  const partner = valueText("partner", rate.partner_id, names);
  const rows = rate.considered.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, sourceText(one)),
      el("td", { class: "col-when" }, commissionRate(one.type, one.value)),
      el("td", {}, one.is_winner && el("span", { class: "badge is-on" }, "won")),
      el("td", {}, one.why),
    ),
  );
  return el(
    "div",
    { class: "rates" },
    el("h3", {}, `Rates considered for ${partner}`),
    el("table", { class: "list reasons" }, el("tbody", {}, rows)),
  );
}

function sourceText({ source }) {
  return SOURCES[source] ?? source.replaceAll("_", " ");
}

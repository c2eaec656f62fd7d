// Why a conversion came out as it did: every candidate click, in or out, and the rule and rate that priced it.

import { elsewhere } from "./address.js";
import { el } from "./element.js";
import { dateTimeText } from "./moments.js";
import { empty } from "./states.js";

/** The card's content; `body` is the answer of `/explain`, or null where the server has none. */
export function explanation(view, body, zone) {
  const head = el("div", { class: "card-head" }, el("h2", {}, "Explanation"));
  if (body === null)
    return el("div", {}, head, empty("Not available yet", "This server does not explain conversions yet."));
  const candidates = body.candidates ?? [];
  return el(
    "div",
    {},
    head,
    candidates.length
      ? candidateTable(view, candidates, zone)
      : empty("No candidate clicks", "Nothing that was reported with it leads to a click."),
    termsOf(body),
  );
}

function candidateTable(view, candidates, zone) {
  const titles = ["Click", "When", "Verdict", "Why"].map((title) =>
    el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title),
  );
  return el(
    "table",
    { class: "list" },
    el("thead", {}, el("tr", {}, titles)),
    el(
      "tbody",
      {},
      candidates.map((candidate) => candidateRow(view, candidate, zone)),
    ),
  );
}

function candidateRow(view, candidate, zone) {
  const isIn = candidate.is_eligible ?? candidate.verdict === "eligible";
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      candidate.code
        ? el("a", { href: elsewhere(view, "links", candidate.code) }, candidate.code)
        : candidate.click_id,
    ),
    el(
      "td",
      { class: "col-when" },
      candidate.clicked_at ? dateTimeText(Date.parse(candidate.clicked_at), zone) : "–",
    ),
    el(
      "td",
      {},
      el("span", { class: `badge ${isIn ? "is-on" : "is-off"}` }, isIn ? "counts" : "does not count"),
    ),
    el("td", {}, candidate.reason ?? candidate.meaning ?? candidate.verdict ?? ""),
  );
}

/** Whatever else the explanation names, as it names it: versions, rules and rates are the server's to word. */
function termsOf(body) {
  const rows = Object.entries(body)
    .filter(
      ([name, value]) =>
        name !== "candidates" && name !== "conversion_id" && value !== null && typeof value !== "object",
    )
    .map(([name, value]) =>
      el("div", {}, el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, String(value))),
    );
  return rows.length > 0 && el("dl", { class: "facts" }, rows);
}

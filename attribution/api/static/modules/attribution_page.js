// The same conversions credited under five models side by side: who gains and who loses by the choice of model.

import { changed, elsewhere, go } from "./address.js";
import { get } from "./api.js";
import { MODELS } from "./credit_models.js";
import { el } from "./element.js";
import { currenciesOf } from "./metrics.js";
import { countText, minus, moneyText, plus, sizeOf } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { periodQuery } from "./period.js";
import { empty, failed, loading } from "./states.js";
import { fetchStats } from "./stats.js";

const GROUPS = { partner: "Partners", campaign: "Campaigns", link: "Links" };
const BASELINE = "last_click";

/** {title, node, ready} of the page. */
export function attributionPage(view, period, signal) {
  const by = view.query.get("by") in GROUPS ? view.query.get("by") : "partner";
  const note = el("p", { class: "is-muted" }, "Below each amount: what changes against last click.");
  const tools = el("div", { class: "list-tools" }, groupSwitch(view, by), note);
  const place = el("div", { class: "card list-card" }, loading(6));
  const node = el("div", {}, pageHead(view, period, "Attribution"), tools, place);

  async function load() {
    try {
      const currencies = currenciesOf(await fetchStats(view, period, [], signal));
      const currency = view.query.get("currency") ?? currencies[0] ?? null;
      if (currencies.length > 1) note.before(currencySwitch(view, currencies, currency));
      const { start, end, timezone } = periodQuery(period);
      place.replaceChildren(
        build(view, by, await get("/v1/attribution", { start, end, timezone, by, currency }, signal)),
      );
    } catch (error) {
      if (error.name === "AbortError") return;
      place.replaceChildren(failed(error, load));
    }
  }

  return { title: "Attribution", node, ready: load() };
}

function groupSwitch(view, by) {
  const options = Object.entries(GROUPS).map(([name, label]) =>
    el(
      "a",
      {
        class: "segment",
        href: changed(view, { by: name }),
        "aria-current": name === by ? "true" : null,
        "data-key": `by-${name}`,
      },
      label,
    ),
  );
  return el("nav", { class: "segments", "aria-label": "Credit by" }, options);
}

function currencySwitch(view, currencies, currency) {
  const choose = (event) => go(changed(view, { currency: event.target.value }));
  return el(
    "select",
    { "aria-label": "Currency", on: { change: choose } },
    currencies.map((name) => el("option", { value: name, selected: name === currency }, name)),
  );
}

function build(view, by, { totals, rows }) {
  if (!rows.length)
    return empty(
      "No conversions in this period",
      "Credit appears when a conversion has been attributed to clicks.",
    );
  const largest = Math.max(...rows.flatMap((row) => Object.values(row.credit).map(sizeOf)), 0.01);
  const titles = Object.values(MODELS).map(({ label, meaning }) =>
    el("th", { scope: "col", class: "number" }, label, el("span", { class: "th-note" }, meaning)),
  );
  return el(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": "Credit under five models" },
    el(
      "table",
      { class: "list credit-table" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "col" }, GROUPS[by].replace(/s$/, "")),
          el("th", { scope: "col", class: "number" }, "Touches"),
          titles,
          el("th", { scope: "col", class: "number" }, "Payable"),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((row) => creditRow(view, by, row, largest)),
      ),
      footer(totals, rows),
    ),
  );
}

function creditRow(view, by, row, largest) {
  const name = row.name ?? (row.id === null ? "Without a link" : `#${row.id}`);
  const cells = Object.keys(MODELS).map((model) => creditCell(row, model, largest));
  return el(
    "tr",
    { "data-row": row.id },
    el(
      "th",
      { scope: "row" },
      row.id === null ? name : el("a", { href: elsewhere(view, `${by}s`, by === "link" ? name : String(row.id)) }, name),
    ),
    el("td", { class: "number" }, countText(row.touches ?? 0)),
    cells,
    el(
      "td",
      { class: "number is-strong" },
      row.payable === undefined || row.payable === null ? "–" : moneyText(row.payable, row.currency),
    ),
  );
}

function creditCell(row, model, largest) {
  const amount = row.credit[model] ?? "0.00";
  const difference = minus(amount, row.credit[BASELINE] ?? "0.00");
  const isMoved = model !== BASELINE && sizeOf(difference) !== 0;
  return el(
    "td",
    { class: "number credit", vars: { "--share": Math.max(sizeOf(amount), 0) / largest } },
    el("span", { class: "credit-amount" }, moneyText(amount, row.currency)),
    el(
      "span",
      { class: `change ${isMoved ? (sizeOf(difference) > 0 ? "is-up" : "is-down") : ""}` },
      isMoved
        ? moneyText(difference, row.currency, { signDisplay: "always" })
        : model === BASELINE
          ? "baseline"
          : "same",
    ),
  );
}

function payable(rows, currency) {
  return moneyText(
    rows.reduce((sum, row) => plus(sum, row.payable ?? "0"), "0.00"),
    currency,
  );
}

function footer(totals, rows) {
  const currencies = new Set(rows.map((row) => row.currency));
  if (!totals?.credit || currencies.size !== 1) return null;
  const [currency] = currencies;
  const cells = Object.keys(MODELS).map((model) =>
    el("td", { class: "number" }, totals.credit[model] ? moneyText(totals.credit[model], currency) : "–"),
  );
  const label = `${countText(totals.conversions ?? 0)} conversions`;
  const touches = rows.reduce((sum, row) => sum + (row.touches ?? 0), 0);
  return el(
    "tfoot",
    {},
    el(
      "tr",
      {},
      el("th", { scope: "row" }, label),
      el("td", { class: "number" }, countText(touches)),
      cells,
      el("td", { class: "number" }, payable(rows, currency)),
    ),
  );
}

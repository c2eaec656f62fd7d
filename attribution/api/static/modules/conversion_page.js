// One conversion: what became of it, its journey drawn, who is credited, and the explanation of every candidate click.

import { elsewhere } from "./address.js";
import { get } from "./api.js";
import { commissionText, standingBadges } from "./conversions.js";
import { MODELS, modelText } from "./credit_models.js";
import { decisionButtons } from "./decisions.js";
import { el } from "./element.js";
import { explanation } from "./explanation.js";
import { factsList } from "./facts.js";
import { journeyPicture, stopsOf, touchAt } from "./journey.js";
import { dateTimeText } from "./moments.js";
import { moneyText, shareText, sizeOf } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { fetchNames } from "./programme.js";
import { commissionRate } from "./rates.js";
import { empty, fill } from "./states.js";

/** {title, node, ready} of the page. */
export function conversionPage(view, period, signal) {
  const path = `/v1/conversions/${encodeURIComponent(view.name)}`;
  const sheet = el("div", { class: "stack" });
  const reasons = el("section", { class: "card", "aria-label": "Explanation" });
  const back = el("a", { class: "back", href: elsewhere(view, "conversions") }, "All conversions");
  const node = el(
    "div",
    {},
    pageHead(view, null, "Conversion", { below: back }),
    el("div", { class: "stack" }, sheet, reasons),
  );
  const load = async () => [await get(path, {}, signal), await fetchNames()];
  const show = ([conversion, names]) => {
    // what was decided about it is drawn at once, from the answer
    const redraw = (changed) => sheet.replaceChildren(show([changed, names]));
    return build(view, conversion, names, period.zone, redraw);
  };
  const ready = fill(sheet, load, show, 8);
  const why = async () => [await get(`${path}/explain`, {}, signal), await fetchNames()];
  fill(reasons, why, ([body, names]) => explanation(view, body, names, period.zone), 5);
  return { title: "Conversion", node, ready };
}

function build(view, conversion, names, zone, redraw) {
  const touches = conversion.touches ?? {};
  const hasJourney = stopsOf(touches).length > 0;
  return el(
    "div",
    { class: "stack" },
    facts(view, conversion, zone, redraw),
    el(
      "div",
      { class: "side-by-side" },
      hasJourney ? journey(view, { ...conversion, touches }, names, zone) : noJourney(conversion),
      conversion.credits?.length > 0 && credits(view, conversion, names),
    ),
    conversion.adjustments?.length > 0 && adjustments(conversion, zone),
  );
}

function facts(view, conversion, zone, redraw) {
  const { commission, amount, currency, adjusts_conversion_id: adjusted } = conversion;
  const rate = commission?.value && commissionRate(commission.type, commission.value);
  const moment = (text) => text && dateTimeText(Date.parse(text), zone);
  const rows = {
    Amount: amount && moneyText(amount, currency),
    Commission: commission?.amount && `${commissionText(conversion)}${rate ? ` (${rate})` : ""}`,
    Happened: moment(conversion.occurred_at),
    Approved: moment(conversion.approved_at),
    Rejected: moment(conversion.rejected_at),
    Paid: moment(conversion.paid_at),
    Model: conversion.attribution_model && modelText(conversion.attribution_model),
    Confidence: conversion.confidence,
    Adjusts: adjusted && el("a", { href: elsewhere(view, "conversions", adjusted) }, "another conversion"),
    "Conversion id": conversion.conversion_id,
  };
  return el(
    "section",
    { class: "card", "aria-label": "The conversion" },
    el(
      "div",
      { class: "link-line" },
      el("span", { class: "short-url" }, conversion.transaction_id ?? "no transaction id"),
      el("span", { class: "badge" }, conversion.event),
      standingBadges(conversion),
      el("div", { class: "decisions" }, decisionButtons([conversion], redraw)),
    ),
    conversion.reason && el("p", { class: "reason" }, reasonText(conversion)),
    factsList(rows),
  );
}

function reasonText({ status, is_held: isHeld, reason }) {
  if (status === "rejected") return `Rejected: ${reason}`;
  return isHeld ? `Held to be looked at: ${reason}` : reason.replaceAll("_", " ");
}

function noJourney(conversion) {
  const hint =
    conversion.outcome === "awaiting_click"
      ? "Its click is not stored yet; this is settled as soon as it is."
      : "No click earned from it; the explanation below says why.";
  return el("section", { class: "card" }, empty("No touches", hint));
}

function journey(view, conversion, names, zone) {
  return el(
    "section",
    { class: "card", "aria-label": "Journey" },
    el("div", { class: "card-head" }, el("h2", {}, "Journey")),
    el(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Drawing of the journey" },
      journeyPicture(conversion, zone),
    ),
    el(
      "details",
      { class: "chart-table" },
      el("summary", {}, "Show as a table"),
      touchTable(view, conversion, names, zone),
    ),
  );
}

function touchTable(view, conversion, names, zone) {
  const models = Object.keys(MODELS).filter((model) => conversion.touches[model]?.length);
  const titles = ["Touch", "Partner", "When", ...models.map((model) => MODELS[model].label)];
  const rows = stopsOf(conversion.touches).map((stop) =>
    el(
      "tr",
      {},
      el(
        "th",
        { scope: "row" },
        stop.code
          ? el("a", { href: elsewhere(view, "links", stop.code) }, stop.code)
          : (stop.touch_type ?? "–"),
      ),
      el("td", {}, partnerLink(view, stop.partner_id, names)),
      el("td", {}, stop.clicked_at ? dateTimeText(Date.parse(stop.clicked_at), zone) : "–"),
      models.map((model) =>
        el("td", {}, creditText(touchAt(conversion.touches, model, stop), conversion.currency)),
      ),
    ),
  );
  return el(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": "Touches" },
    el(
      "table",
      { class: "plain-table" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          titles.map((title) => el("th", { scope: "col" }, title)),
        ),
      ),
      el("tbody", {}, rows),
    ),
  );
}

function creditText(touch, currency) {
  if (!sizeOf(touch?.weight)) return "–";
  return `${shareText(sizeOf(touch.weight), 1)}${touch.value ? ` · ${moneyText(touch.value, currency)}` : ""}`;
}

function partnerLink(view, id, names) {
  const name = names.partner.get(String(id)) ?? `Partner ${id}`;
  return el("a", { href: elsewhere(view, "partners", String(id)) }, name);
}

function credits(view, conversion, names) {
  const rows = conversion.credits.map((credit) =>
    el(
      "div",
      {},
      el("dt", {}, partnerLink(view, credit.partner_id, names)),
      el("dd", {}, moneyText(credit.amount, credit.currency ?? conversion.currency)),
    ),
  );
  return el(
    "section",
    { class: "card", "aria-label": "Credits" },
    el("div", { class: "card-head" }, el("h2", {}, "Who is paid")),
    el("dl", { class: "paid" }, rows),
  );
}

function adjustments({ adjustments: all, currency }, zone) {
  const rows = all.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, one.reason ?? one.adjustment_key),
      el("td", {}, dateTimeText(Date.parse(one.occurred_at), zone)),
      el("td", { class: "number" }, moneyText(one.amount, currency)),
      el("td", { class: "number" }, one.commission === null ? "–" : moneyText(one.commission, currency)),
    ),
  );
  const titles = ["Adjustment", "When", "Amount", "Commission"].map((title) =>
    el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title),
  );
  return el(
    "section",
    { class: "card", "aria-label": "Adjustments" },
    el("div", { class: "card-head" }, el("h2", {}, "Refunds and chargebacks")),
    el(
      "div",
      {},
      el("table", { class: "list" }, el("thead", {}, el("tr", {}, titles)), el("tbody", {}, rows)),
    ),
  );
}

// A partner's page and a campaign's page: what it is, its report, who earned in it, and its last conversions.

import { elsewhere } from "./address.js";
import { earningsCard } from "./earnings.js";
import { el } from "./element.js";
import { dateTimeText } from "./moments.js";
import { pageHead } from "./page_head.js";
import { fetchRows } from "./programme.js";
import { commissionRate } from "./rates.js";
import { recentConversions } from "./recent_conversions.js";
import { report } from "./report.js";
import { factsList, outside } from "./facts.js";
import { empty, fill } from "./states.js";
import { modelText } from "./credit_models.js";

/** {title, node, ready} of a partner's page. */
export function partnerPage(view, period, signal) {
  const card = earningsCard(view, "campaign", "Earned by campaign");
  return subjectPage(view, period, signal, { kind: "partner", all: "All partners", card, factsOf: partnerFacts });
}

/** {title, node, ready} of a campaign's page. */
export function campaignPage(view, period, signal) {
  const card = earningsCard(view, "partner", "Earned by partner");
  return subjectPage(view, period, signal, { kind: "campaign", all: "All campaigns", card, factsOf: campaignFacts });
}

function subjectPage(view, period, signal, { kind, all, card, factsOf }) {
  const back = el("a", { class: "back", href: elsewhere(view, `${kind}s`) }, all);
  const head = pageHead(view, period, `${kind[0].toUpperCase()}${kind.slice(1)} ${view.name}`, { below: back });
  const facts = el("section", { class: "card link-facts", "aria-label": `The ${kind}` });
  const { node: numbers, ready } = report(view, period, signal, [card]);
  const conversions = recentConversions(view, period, signal);
  const node = el("div", {}, head, facts, numbers, conversions);
  const page = { title: view.name, node, ready };

  function build(row) {
    if (!row) return missing(kind);
    head.querySelector("h1").textContent = row.name;
    page.title = row.name;
    const tone = row.status === "active" ? "is-on" : "is-waiting";
    return factsList({
      Status: el("span", { class: `badge ${tone}` }, row.status),
      ...factsOf(row, period.zone),
    });
  }

  const load = async () => (await fetchRows())[kind].get(view.name);
  page.ready = Promise.all([ready, fill(facts, load, build, 2)]);
  return page;
}

function missing(kind) {
  return empty("Not found", `There is no such ${kind}, or this key may not see it.`);
}

function partnerFacts(row, zone) {
  return {
    Tier: row.tier,
    "E-mail": row.email,
    Website: row.website_url && outside(row.website_url),
    "Partner since": dateTimeText(Date.parse(row.created_at), zone),
  };
}

function campaignFacts(row, zone) {
  return {
    Pays: row.commission_type && commissionRate(row.commission_type, row.commission_value),
    Model: row.attribution_model && modelText(row.attribution_model),
    Window: row.window_days && `${row.window_days} days`,
    Terms: row.version_number && `version ${row.version_number}`,
    Destination: row.destination_url && outside(row.destination_url),
    Made: dateTimeText(Date.parse(row.created_at), zone),
  };
}

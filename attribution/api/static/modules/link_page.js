// One link: where it leads, how it stands, and its report.

import { elsewhere } from "./address.js";
import { get, linkPath } from "./api.js";
import { el } from "./element.js";
import { factsList, outside } from "./facts.js";
import { openEditLink } from "./link_form.js";
import { linkActions, standingBadge } from "./links.js";
import { dateTimeText } from "./moments.js";
import { countText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { fetchEnrolments, fetchNames } from "./programme.js";
import { recentConversions } from "./recent_conversions.js";
import { report } from "./report.js";
import { fill } from "./states.js";

/** {title, node, ready} of the page. */
export function linkPage(view, period, signal) {
  const facts = el("section", { class: "card link-facts", "aria-label": "The link" });
  const { node: numbers, ready } = report(view, period, signal);
  const back = el("a", { class: "back", href: elsewhere(view, "links") }, "All links");
  const conversions = recentConversions(view, period, signal);
  const node = el("div", {}, pageHead(view, period, view.name, { below: back }), facts, numbers, conversions);
  const load = async () => {
    const link = await get(linkPath(view.name), {}, signal);
    return [link, await ownersOf(view, link, signal)];
  };
  fill(facts, load, ([link, owners]) => build(link, owners), 2);

  function build(link, owners) {
    const done = (changedLink) => facts.replaceChildren(build(changedLink, owners));
    return el(
      "div",
      { class: "link-sheet" },
      el(
        "div",
        { class: "link-line" },
        el("span", { class: "short-url" }, link.short_url),
        standingBadge(link),
        linkActions(link, () => openEditLink(link.code, period.zone, done), done),
      ),
      factsList({ ...owners, ...factsOf(link, period.zone) }),
    );
  }

  return { title: view.name, node, ready };
}

function factsOf(link, zone) {
  const moment = (text) => text && dateTimeText(Date.parse(text), zone);
  return {
    Destination: outside(link.full_url),
    Label: link.label,
    Made: moment(link.created_at),
    Starts: moment(link.starts_at),
    Expires: moment(link.expires_at),
    "Clicks at most": link.max_clicks && countText(link.max_clicks),
    "Then to": link.fallback_url,
    Rules: link.rules.length > 0 && `${link.rules.length}, the first match wins`,
    Answer: link.redirect_status === 302 ? null : String(link.redirect_status),
  };
}

/** Whose clicks these are, as links to their pages; nothing of a plain link. */
async function ownersOf(view, link, signal) {
  if (link.campaign_partner_id === null) return {};
  const [names, enrolments] = await Promise.all([fetchNames(), fetchEnrolments(signal)]);
  const enrolment = enrolments.find((row) => row.campaign_partner_id === link.campaign_partner_id);
  if (!enrolment) return {};
  const { partner_id: partner, campaign_id: campaign } = enrolment;
  const open = (page, id, name) => el("a", { href: elsewhere(view, page, String(id)) }, name ?? `#${id}`);
  return {
    Partner: open("partners", partner, names.partner.get(String(partner))),
    Campaign: open("campaigns", campaign, names.campaign.get(String(campaign))),
  };
}

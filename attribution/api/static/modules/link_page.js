// One link: where it leads, how it stands, and its report.

import { elsewhere } from "./address.js";
import { get, linkPath } from "./api.js";
import { el } from "./element.js";
import { openEditLink } from "./link_form.js";
import { linkActions, standingBadge } from "./links.js";
import { dateTimeText } from "./moments.js";
import { countText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { report } from "./report.js";
import { fill } from "./states.js";

/** {title, node, ready} of the page. */
export function linkPage(view, period, signal) {
  const facts = el("section", { class: "card link-facts", "aria-label": "The link" });
  const { node: numbers, ready } = report(view, period, signal);
  const back = el("a", { class: "back", href: elsewhere(view, "links") }, "All links");
  const node = el("div", {}, pageHead(view, period, view.name, { below: back }), facts, numbers);
  fill(
    facts,
    () => get(linkPath(view.name), {}, signal),
    (link) => build(link),
    2,
  );

  function build(link) {
    const done = (changedLink) => facts.replaceChildren(build(changedLink));
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
      el("dl", { class: "facts" }, factsOf(link, period.zone)),
    );
  }

  return { title: view.name, node, ready };
}

function factsOf(link, zone) {
  const moment = (text) => text && dateTimeText(Date.parse(text), zone);
  const rows = {
    Destination: destination(link.full_url),
    Label: link.label,
    Made: moment(link.created_at),
    Starts: moment(link.starts_at),
    Expires: moment(link.expires_at),
    "Clicks at most": link.max_clicks && countText(link.max_clicks),
    "Then to": link.fallback_url,
    Rules: link.rules.length > 0 && `${link.rules.length}, the first match wins`,
    Answer: link.redirect_status === 302 ? null : String(link.redirect_status),
  };
  return Object.entries(rows)
    .filter(([, value]) => value)
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
}

/** An anchor only for what a browser may safely open. */
function destination(url) {
  if (!/^https?:\/\//i.test(url)) return url;
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url);
}

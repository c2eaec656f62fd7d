// The last clicks as they come in: when, which link, from where. Codes, referrers and agents are text of strangers.

import { elsewhere, filtersOf } from "./address.js";
import { el } from "./element.js";
import { countryText, valueText } from "./filter_bar.js";
import { icon } from "./icons.js";
import { timeText } from "./moments.js";
import { empty, failed, loading } from "./states.js";
import { subjectOf } from "./subject.js";

export const CLICKS_ASKED = 50;
const CLICKS_SHOWN = 9;
const FIELDS = {
  country: "country_code",
  device: "device_type",
  link: "code",
  partner: "partner_id",
  class: "click_class",
};

/** {node, show, fail}: the card. Pausing stops what is shown, not what is counted. */
export function liveFeed(view, period) {
  const list = el("ol", { class: "feed", "aria-label": "Last clicks" });
  const place = el("div", {}, loading(7));
  const pause = el("button", { type: "button", class: "button is-icon", on: { click: toggle } });
  const node = el(
    "section",
    { class: "card live", "aria-label": "Live" },
    el(
      "div",
      { class: "card-head" },
      el("span", { class: "live-dot", "aria-hidden": "true" }),
      el("h2", {}, "Live"),
      pause,
    ),
    place,
  );
  const known = new Set();
  let isPaused = false;
  label();

  function toggle() {
    isPaused = !isPaused;
    label();
  }

  function label() {
    const text = isPaused ? "Go on with the live feed" : "Pause the live feed";
    pause.replaceChildren(icon(isPaused ? "play" : "pause"));
    pause.setAttribute("aria-label", text);
    pause.title = text;
    node.classList.toggle("is-paused", isPaused);
  }

  function show({ clicks }) {
    if (isPaused) return;
    const shown = clicks.filter((click) => isWanted(view, click)).slice(0, CLICKS_SHOWN);
    const isFirst = known.size === 0;
    list.replaceChildren(
      ...shown.map((click) => entry(view, period, click, !isFirst && !known.has(click.click_id))),
    );
    known.clear();
    for (const click of clicks) known.add(click.click_id);
    place.replaceChildren(
      shown.length ? list : empty(nothingIn(view), "The next one appears here within two seconds."),
    );
  }

  return { node, show, fail: (problem) => place.replaceChildren(failed(problem)) };
}

function nothingIn(view) {
  return ["campaign", "partner"].includes(subjectOf(view)) ? "No clicks in the last 24 hours" : "No clicks yet";
}

/** Whether a click passes the view's filters, which the list of clicks does not know. */
function isWanted(view, click) {
  return Object.entries(filtersOf(view)).every(([dimension, values]) =>
    values.includes(String(fieldOf(click, dimension) ?? "")),
  );
}

function fieldOf(click, dimension) {
  return dimension === "referrer" ? hostOf(click.referrer_url) : click[FIELDS[dimension] ?? dimension];
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return null;
  }
}

function entry(view, period, click, isNew) {
  const country = countryText(click.country_code ?? "") || "Unknown";
  const browser = [click.browser, click.os].filter(Boolean).join(" on ");
  const isOneLink = subjectOf(view) === "link";
  const what = isOneLink
    ? el("span", { class: "feed-code clip" }, country)
    : el("a", { class: "feed-code clip", href: elsewhere(view, "links", click.code) }, click.code);
  const details = [isOneLink ? browser : country, click.device_type, hostOf(click.referrer_url)];
  return el(
    "li",
    { class: `feed-entry${isNew ? " is-new" : ""}`, "data-click": click.click_id },
    el("time", { datetime: click.clicked_at }, timeText(Date.parse(click.clicked_at), period.zone)),
    el("span", { class: "feed-what" }, what, click.click_class !== "valid" && classBadge(click)),
    el("span", { class: "feed-where clip", title: click.user_agent }, details.filter(Boolean).join(" · ")),
  );
}

function classBadge(click) {
  return el("span", { class: "badge", title: click.class_reason }, valueText("class", click.click_class));
}

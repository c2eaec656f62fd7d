// A report of everything or of one link, campaign or partner: tiles, chart, live feed and breakdowns, kept up to date
// while clicks come in. The overview and each of their pages are this and little else.

import { elsewhere } from "./address.js";
import { breakdownCard, cardsOf } from "./breakdown.js";
import { timeChart } from "./chart.js";
import { el, swap } from "./element.js";
import { filterBar } from "./filter_bar.js";
import { CLICKS_ASKED, liveFeed } from "./live_feed.js";
import { METRICS, currenciesOf } from "./metrics.js";
import { previousOf } from "./period.js";
import { watchClicks } from "./pulse.js";
import { fetchNames } from "./programme.js";
import { empty, failed, loading } from "./states.js";
import { fetchStats } from "./stats.js";
import { subjectOf, subjectQuery } from "./subject.js";
import { tiles } from "./tiles.js";

const REFRESH_MS_MIN = 1500;
const DAY_MS = 86_400_000;

/** {node, ready}: `ready` settles when the first numbers stand. `more` are cards below the chart that follow the same
 * numbers. */
export function report(view, period, signal, more = []) {
  const subject = subjectOf(view);
  const metric = view.query.get("metric") in METRICS ? view.query.get("metric") : "clicks";
  const filters = el("div", { class: "filter-place" });
  const freshness = el("span", { class: "freshness" });
  const headline = el("div", { class: "tiles" }, loading(3));
  const chart = timeChart(view, period, signal);
  const feed = liveFeed(view, period);
  const cards = cardsOf(subject).map((card) => breakdownCard(view, card, () => refresh()));
  const trouble = el("div", {});
  const welcome = el("div", {});
  const followers = [...more, ...cards];
  const parts = [
    filters,
    trouble,
    welcome,
    headline,
    el("div", { class: "report-middle" }, chart.node, feed.node),
    ...more.map((card) => card.node),
    el(
      "div",
      { class: subject === "link" ? "card-grid is-even" : "card-grid" },
      cards.map((card) => card.node),
    ),
    el("p", { class: "foot" }, freshness),
  ];
  const node = el("div", { class: "report" }, parts);
  let hasNumbers = false;

  const before = fetchStats(view, previousOf(period), [], signal).catch(() => null);
  const names = fetchNames();
  const refresh = atMostEvery(REFRESH_MS_MIN, load, signal);

  async function load() {
    try {
      const asked = [...new Set(followers.map((card) => card.dimension()))];
      const [stats, past, known] = await Promise.all([
        fetchStats(view, period, asked, signal),
        before,
        names,
      ]);
      if (!signal.aborted) show(stats, past, known);
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
    }
  }

  /** Numbers that stand already stay; without any there is nothing to see but what went wrong. */
  function fail(error) {
    // that there is no such thing is said where it would be
    const message = subject !== null && error.isMissing ? [] : [failed(error, () => refresh())];
    trouble.replaceChildren(...message);
    if (!hasNumbers) node.replaceChildren(trouble);
  }

  function show(stats, past, known) {
    trouble.replaceChildren();
    if (!hasNumbers) node.replaceChildren(...parts);
    hasNumbers = true;
    const currencies = currenciesOf(stats);
    swap(filters, filterBar(view, known));
    swap(headline, tiles(view, stats, past?.totals ?? null, currencies, metric));
    chart.update(stats, past, metric, currencies[0]);
    for (const card of followers) card.update(stats, known);
    freshness.textContent = freshnessText(stats);
  }

  const ready = refresh();
  watchClicks({
    query: clicksQuery(view),
    signal,
    onProblem: feed.fail,
    onClicks: (body) => {
      feed.show(body);
      welcome.replaceChildren(...(subject === null && !body.clicks.length ? [firstSteps(view)] : []));
      if (period.endMs > Date.now()) refresh();
    },
  });
  return { node, ready };
}

/** The last clicks; of a campaign or partner of many links those of a day, for PostgreSQL looks at each link. */
function clicksQuery(view) {
  const isOfMany = subjectOf(view) !== null && subjectOf(view) !== "link";
  const start = isOfMany ? new Date(Date.now() - DAY_MS).toISOString() : null;
  return { limit: CLICKS_ASKED, start, ...subjectQuery(view) };
}

/** For who has not had a single click yet. */
function firstSteps(view) {
  const links = el("a", { class: "button is-strong", href: elsewhere(view, "links") }, "To the links");
  const hint = "Make a link and follow it: its click is here within two seconds.";
  return el("section", { class: "card", "aria-label": "First steps" }, empty("Nothing was clicked yet", hint, links));
}

function freshnessText({ as_of: asOf, lag_seconds: lag }) {
  if (!asOf) return "No click has been stored yet.";
  return lag < 60
    ? `Complete up to ${Math.max(1, Math.round(lag))} s ago. Shares and bars count valid clicks.`
    : `The writer is behind: complete up to ${asOf}.`;
}

/** At once, and while calls keep coming once per interval, the last of them included. */
function atMostEvery(ms, work, signal) {
  let lastMs = -Infinity;
  let waiting = null;
  const run = () => {
    waiting = null;
    lastMs = Date.now();
    return work();
  };
  return () => {
    const restMs = lastMs + ms - Date.now();
    if (restMs <= 0 && waiting === null) return run();
    if (waiting === null) {
      waiting = setTimeout(() => !signal.aborted && run(), Math.max(restMs, 0));
    }
    return Promise.resolve();
  };
}

// A report of everything or of one link: tiles, chart, live feed and breakdowns, kept up to date while clicks come in.
// The overview and a link's own page are this and little else.

import { CARDS, CARDS_OF_MANY, breakdownCard } from "./breakdown.js";
import { timeChart } from "./chart.js";
import { el, swap } from "./element.js";
import { filterBar } from "./filter_bar.js";
import { CLICKS_ASKED, liveFeed } from "./live_feed.js";
import { METRICS, currenciesOf } from "./metrics.js";
import { previousOf } from "./period.js";
import { watchClicks } from "./pulse.js";
import { currentKey } from "./session.js";
import { failed, loading } from "./states.js";
import { fetchNames, fetchStats } from "./stats.js";
import { tiles } from "./tiles.js";

const REFRESH_MS_MIN = 1500;

/** {node, ready}: `ready` settles when the first numbers stand. */
export function report(view, period, signal) {
  const isOneLink = view.name !== null;
  const metric = view.query.get("metric") in METRICS ? view.query.get("metric") : "clicks";
  const filters = el("div", { class: "filter-place" });
  const freshness = el("span", { class: "freshness" });
  const headline = el("div", { class: "tiles" }, loading(3));
  const chart = timeChart(view, period, signal);
  const feed = liveFeed(view, period);
  const cards = CARDS.filter((card) => !(isOneLink && CARDS_OF_MANY.includes(card.title))).map((card) =>
    breakdownCard(view, card, () => refresh()),
  );
  const trouble = el("div", {});
  const parts = [
    filters,
    trouble,
    headline,
    el("div", { class: "report-middle" }, chart.node, feed.node),
    el(
      "div",
      { class: isOneLink ? "card-grid is-even" : "card-grid" },
      cards.map((card) => card.node),
    ),
    el("p", { class: "foot" }, freshness),
  ];
  const node = el("div", { class: "report" }, parts);
  let hasNumbers = false;

  const before = fetchStats(view, previousOf(period), [], signal).catch(() => null);
  const names = fetchNames(currentKey());
  const refresh = atMostEvery(REFRESH_MS_MIN, load, signal);

  async function load() {
    try {
      const asked = cards.map((card) => card.dimension());
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
    // that there is no such link is said where the link would be
    const message = isOneLink && error.isMissing ? [] : [failed(error, () => refresh())];
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
    for (const card of cards) card.update(stats, known);
    freshness.textContent = freshnessText(stats);
  }

  const ready = refresh();
  watchClicks({
    code: view.name,
    limit: CLICKS_ASKED,
    signal,
    onProblem: feed.fail,
    onClicks: (body) => {
      feed.show(body);
      if (period.endMs > Date.now()) refresh();
    },
  });
  return { node, ready };
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

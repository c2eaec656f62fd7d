// All links: search, see what each did in the period, make, edit, disable, QR, copy. The API searches; a page of rows
// comes at a time, with the numbers of exactly those.

import { changed, elsewhere, go, readAddress } from "./address.js";
import { get, linkPath } from "./api.js";
import { el, swap } from "./element.js";
import { filterBar } from "./filter_bar.js";
import { icon } from "./icons.js";
import { openEditLink, openNewLink } from "./link_form.js";
import { linkActions, standingBadge } from "./links.js";
import { countText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { fetchEnrolments, fetchNames } from "./programme.js";
import { currentRole } from "./session.js";
import { announce, empty, failed, loading } from "./states.js";
import { fetchStats } from "./stats.js";

const PAGE = 50;
const PAUSE_MS = 200;
const ORDERS = { newest: "Newest first", oldest: "Oldest first", clicks: "Most clicks first" };
const STATUSES = {
  "": "Any state",
  active: "Active",
  disabled: "Disabled",
  scheduled: "Not started",
  expired: "Expired",
};
const TITLES = ["Link", "Destination", "Clicks", "Unique", "State", "Actions"];

/** {title, node, ready} of the page. */
export function linksPage(view, period, signal) {
  const place = el("div", { class: "card list-card" }, loading(8));
  const chips = el("div", { class: "filter-place" });
  const node = el(
    "div",
    {},
    pageHead(view, period, "Links", { actions: [newLinkButton(period, (link) => list.add([link]))] }),
    el("div", { class: "list-tools" }, searchField(() => list.reload()), statusSwitch(view), orderSwitch(view), chips),
    place,
  );
  const list = linkList(view, period, signal, place);
  fetchNames().then((names) => swap(chips, filterBar(view, names, ["campaign", "partner"])));
  return { title: "Links", node, ready: list.reload() };
}

/** The rows below the search: {reload, add}. What was asked last is what is shown. */
function linkList(view, period, signal, place) {
  const body = el("tbody", {});
  const foot = el("p", { class: "list-foot" });
  let asking = new AbortController();

  async function reload() {
    asking.abort();
    asking = new AbortController();
    const wanted = AbortSignal.any([signal, asking.signal]);
    try {
      const page = await pageOf(readAddress(), period, null, wanted);
      if (wanted.aborted) return;
      body.replaceChildren();
      show(page, wanted);
      place.replaceChildren(...(page.links.length ? [linkTable(body), foot] : [nothing()]));
    } catch (error) {
      if (error.name !== "AbortError") place.replaceChildren(failed(error, reload));
    }
  }

  function show({ links, clicks, cursor }, wanted) {
    body.append(...links.map((link) => linkRow(view, period, link, clicks.get(link.code), redraw)));
    spread(body);
    const more = () =>
      pageOf(readAddress(), period, cursor, wanted).then(
        (page) => show(page, wanted),
        (problem) => announce(problem.message),
      );
    foot.replaceChildren(
      footText(body.rows.length, cursor !== null),
      cursor ? el("button", { type: "button", class: "button", "data-key": "more", on: { click: more } }, "Show more") : "",
    );
  }

  function redraw(link) {
    const row = [...body.rows].find((one) => one.dataset.code === link.code);
    const numbers = { clicks: Number(row.dataset.clicks), unique: Number(row.dataset.unique) };
    row.replaceWith(linkRow(view, period, link, numbers, redraw));
    spread(body);
  }

  /** A link that was made just now stands first, whatever is searched for. */
  function add(links) {
    if (!body.isConnected) {
      foot.replaceChildren();
      place.replaceChildren(linkTable(body), foot);
    }
    body.prepend(...links.map((link) => linkRow(view, period, link, null, redraw)));
  }

  return { reload, add };
}

/** {links, clicks, cursor}: a page of what the address asks for, with the clicks of its links in the period. */
async function pageOf(address, period, cursor, signal) {
  const order = orderOf(address);
  if (order === "clicks") return mostClicked(address, period, signal);
  const query = { ...searchOf(address), order, limit: PAGE, cursor };
  const { links, next_cursor: next } = await get("/v1/links", query, signal);
  const codes = links.map((link) => link.code);
  return { links, clicks: await clicksOf(period, { link: codes }, signal), cursor: next };
}

/** The links with most clicks, as the report ranks them. */
async function mostClicked(address, period, signal) {
  const { campaign, partner } = searchOf(address);
  const filters = { campaign, partner };
  const clicks = await clicksOf(period, filters, signal);
  const links = await Promise.all([...clicks.keys()].map((code) => get(linkPath(code), {}, signal).catch(ignoreGone)));
  return { links: links.filter(Boolean), clicks, cursor: null };
}

/** A link that was deleted has clicks still. */
function ignoreGone(error) {
  if (error.status === 404) return null;
  throw error;
}

async function clicksOf(period, filters, signal) {
  if (filters.link?.length === 0) return new Map();
  const everything = { page: "overview", name: null, query: new URLSearchParams() };
  const stats = await fetchStats(everything, period, ["link"], signal, { top: PAGE, filters });
  const rows = stats.breakdowns.link.filter((row) => row.value && !row.is_rest);
  return new Map(rows.map((row) => [row.value, row]));
}

function searchOf({ query }) {
  return {
    q: query.get("search"),
    status: query.get("status"),
    campaign: query.get("campaign"),
    partner: query.get("partner"),
  };
}

/** Most clicks first is a ranking of all; what is looked for by words or standing comes newest first. */
function orderOf({ query }) {
  const order = query.get("sort");
  const isRanked = order === "clicks" && !query.get("search") && !query.get("status");
  return isRanked || order === "oldest" ? order : "newest";
}

function footText(count, hasMore) {
  if (orderOf(readAddress()) === "clicks") return `${countText(count)} with clicks in this period`;
  return hasMore ? `The first ${countText(count)}` : `${countText(count)} in all`;
}

function nothing() {
  const { query } = readAddress();
  const search = query.get("search");
  if (search)
    return empty(
      `Nothing matches “${search}”`,
      "Each word must begin a word of the code, the label or the destination.",
    );
  return ["status", "campaign", "partner"].some((name) => query.has(name))
    ? empty("No such links", "Another status or fewer filters may have some.")
    : empty("No links yet", "Make the first one; visitors can follow it a second later.");
}

function searchField(reload) {
  let timer = null;
  const search = el("input", {
    type: "search",
    class: "search",
    placeholder: "Search code, label, destination",
    "aria-label": "Search links",
    value: readAddress().query.get("search") ?? "",
    "data-key": "search",
  });
  search.addEventListener("input", () => {
    history.replaceState(null, "", changed(readAddress(), { search: search.value.trim() || null }));
    clearTimeout(timer);
    timer = setTimeout(reload, PAUSE_MS);
  });
  return search;
}

function newLinkButton(period, done) {
  const make = async () => {
    try {
      openNewLink(await fetchEnrolments(), currentRole(), period.zone, done);
    } catch (problem) {
      announce(problem.message);
    }
  };
  return el(
    "button",
    { type: "button", class: "button is-strong", "data-key": "new-link", on: { click: make } },
    icon("plus"),
    "New link",
  );
}

function statusSwitch(view) {
  const now = view.query.get("status") ?? "";
  const choose = (event) => go(changed(readAddress(), { status: event.target.value || null }));
  return choice("State of the links", "status", STATUSES, now, choose);
}

function orderSwitch(view) {
  const choose = (event) => {
    const isRanking = event.target.value === "clicks";
    go(changed(readAddress(), { sort: event.target.value, ...(isRanking ? { search: null, status: null } : {}) }));
  };
  return choice("Order of the links", "sort", ORDERS, orderOf(view), choose);
}

function choice(label, key, options, chosen, choose) {
  return el(
    "select",
    { "aria-label": label, "data-key": key, on: { change: choose } },
    Object.entries(options).map(([name, text]) => el("option", { value: name, selected: name === chosen }, text)),
  );
}

function linkTable(body) {
  const heads = TITLES.map((title) => el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title));
  return el("table", { class: "list links" }, el("thead", {}, el("tr", {}, heads)), body);
}

function linkRow(view, period, link, numbers, done) {
  const { clicks = 0, unique = 0 } = numbers ?? {};
  return el(
    "tr",
    { class: link.is_disabled ? "is-dim" : null, "data-code": link.code, "data-clicks": clicks, "data-unique": unique },
    el(
      "th",
      { scope: "row" },
      el("a", { class: "link-code", href: elsewhere(view, "links", link.code) }, link.code),
      link.label && el("span", { class: "link-label" }, link.label),
    ),
    el(
      "td",
      { class: "col-destination" },
      el("span", { class: "clip", title: link.full_url }, link.full_url.replace(/^https?:\/\//, "")),
    ),
    el("td", { class: "number bar-number" }, countText(clicks)),
    el("td", { class: "number col-unique" }, countText(unique)),
    el("td", {}, standingBadge(link)),
    el(
      "td",
      { class: "col-actions" },
      linkActions(link, () => openEditLink(link.code, period.zone, done), done),
    ),
  );
}

/** The bars, in proportion to the largest number that is shown. */
function spread(body) {
  const largest = Math.max(1, ...[...body.rows].map((row) => Number(row.dataset.clicks)));
  for (const row of body.rows) {
    const share = (Number(row.dataset.clicks) / largest) * 100;
    row.querySelector(".bar-number").style.setProperty("--share", `${share}%`);
  }
}

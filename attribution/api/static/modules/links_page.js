// All links: search, see what each did in the period, make, edit, disable, QR, copy.

import { changed, elsewhere, go, readAddress } from "./address.js";
import { el, swap } from "./element.js";
import { icon } from "./icons.js";
import { openEditLink, openNewLink } from "./link_form.js";
import { LINKS_MAX, fetchEnrolments, fetchLinks, linkActions, standingBadge } from "./links.js";
import { countText } from "./numbers.js";
import { pageHead } from "./page_head.js";
import { currentKey, currentRole } from "./session.js";
import { announce, empty, fill, loading } from "./states.js";
import { fetchNames, fetchStats } from "./stats.js";

const ROWS = 100;
const TOP = 1000;
const ORDERS = { newest: "Newest first", clicks: "Most clicks first", code: "By code" };

/** {title, node, ready} of the page. */
export function linksPage(view, period, signal) {
  const place = el("div", { class: "card list-card" }, loading(8));
  const search = el("input", {
    type: "search",
    class: "search",
    placeholder: "Search code, label, destination",
    "aria-label": "Search links",
    value: view.query.get("search") ?? "",
    "data-key": "search",
  });
  const create = el(
    "button",
    { type: "button", class: "button is-strong", "data-key": "new-link", on: { click: makeLink } },
    icon("plus"),
    "New link",
  );
  const node = el(
    "div",
    {},
    pageHead(view, period, "Links", { actions: [create] }),
    el("div", { class: "list-tools" }, search, orderSwitch(view)),
    place,
  );
  let rows = ROWS;
  let list = { links: [], isAll: true, clicks: new Map() };

  search.addEventListener("input", () => {
    history.replaceState(null, "", changed(readAddress(), { search: search.value || null }));
    rows = ROWS;
    draw();
  });

  async function load() {
    const [{ links, isAll }, stats] = await Promise.all([
      fetchLinks(signal),
      fetchStats(view, period, ["link"], signal, TOP),
    ]);
    list = { links, isAll, clicks: new Map(stats.breakdowns.link.map((row) => [row.value, row])) };
    return list;
  }

  function draw() {
    swap(place, table());
  }

  function table() {
    const found = ordered(matching(list.links, search.value), view.query.get("sort"), list.clicks);
    if (!list.links.length)
      return empty("No links yet", "Make the first one; visitors can follow it a second later.");
    if (!found.length)
      return empty(
        `Nothing matches “${search.value}”`,
        "The search looks at codes, labels and destinations.",
      );
    const shown = found.slice(0, rows);
    return el("div", {}, linkTable(view, period, shown, list.clicks, changedLink), more(found, shown));
  }

  function more(found, shown) {
    const showMore = () => {
      rows += ROWS;
      draw();
    };
    const count = `${countText(shown.length)} of ${countText(found.length)} links${list.isAll ? "" : ` (the first ${countText(LINKS_MAX)} are searched)`}`;
    return el(
      "p",
      { class: "list-foot" },
      count,
      found.length > shown.length &&
        el(
          "button",
          { type: "button", class: "button", "data-key": "more", on: { click: showMore } },
          "Show more",
        ),
    );
  }

  function changedLink(link) {
    const at = list.links.findIndex((other) => other.code === link.code);
    if (at >= 0) list.links[at] = link;
    else list.links.unshift(link);
    draw();
  }

  async function makeLink() {
    try {
      const names = await fetchNames(currentKey());
      openNewLink(await fetchEnrolments(names), currentRole(), period.zone, changedLink);
    } catch (problem) {
      announce(problem.message);
    }
  }

  return { title: "Links", node, ready: fill(place, load, table, 8) };
}

function matching(links, search) {
  const wanted = search.trim().toLocaleLowerCase();
  if (!wanted) return links;
  const texts = (link) => [link.code, link.label, link.destination_url, link.full_url];
  return links.filter((link) => texts(link).some((text) => text?.toLocaleLowerCase().includes(wanted)));
}

function ordered(links, order, clicks) {
  const clicksOf = (link) => clicks.get(link.code)?.clicks ?? 0;
  if (order === "clicks") return links.toSorted((one, other) => clicksOf(other) - clicksOf(one));
  return order === "code" ? links.toSorted((one, other) => one.code.localeCompare(other.code)) : links;
}

function orderSwitch(view) {
  const order = view.query.get("sort");
  const choose = (event) => go(changed(readAddress(), { sort: event.target.value }));
  return el(
    "select",
    { "aria-label": "Order of the links", "data-key": "sort", on: { change: choose } },
    Object.entries(ORDERS).map(([name, label]) =>
      el("option", { value: name, selected: name === order }, label),
    ),
  );
}

function linkTable(view, period, links, clicks, done) {
  const largest = Math.max(1, ...[...clicks.values()].map((row) => row.clicks));
  const titles = ["Link", "Destination", "Clicks", "Unique", "State", "Actions"];
  return el(
    "table",
    { class: "list" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        titles.map((title) => el("th", { scope: "col", class: `col-${title.toLowerCase()}` }, title)),
      ),
    ),
    el(
      "tbody",
      {},
      links.map((link) => linkRow(view, period, link, clicks.get(link.code), largest, done)),
    ),
  );
}

function linkRow(view, period, link, numbers, largest, done) {
  const clicks = numbers?.clicks ?? 0;
  return el(
    "tr",
    { class: link.is_disabled ? "is-dim" : null, "data-code": link.code },
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
    el(
      "td",
      { class: "number bar-number", vars: { "--share": `${(clicks / largest) * 100}%` } },
      countText(clicks),
    ),
    el("td", { class: "number col-unique" }, countText(numbers?.unique ?? 0)),
    el("td", {}, standingBadge(link)),
    el(
      "td",
      { class: "col-actions" },
      linkActions(link, () => openEditLink(link.code, period.zone, done), done),
    ),
  );
}

// The address after "#": which page, of what, and what is looked at (period, zone, filters). It is all the state a
// page has, so that every view can be shared, kept as a bookmark, and undone with the browser's Back.

/** Dimensions a report can be filtered by, as the API names them. */
export const DIMENSIONS = {
  country: "Country",
  device: "Device",
  browser: "Browser",
  os: "System",
  referrer: "Referrer",
  utm_source: "UTM source",
  utm_medium: "UTM medium",
  utm_campaign: "UTM campaign",
  utm_content: "UTM content",
  utm_term: "UTM term",
  link: "Link",
  partner: "Partner",
  campaign: "Campaign",
  class: "Class",
};
const CARRIED = ["period", "start", "end", "timezone"];

/** {page, name, query} of a hash such as #/links/tent?period=7d. */
export function readAddress(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  return {
    page: page || "overview",
    name: rest.length ? decoded(rest.join("/")) : null,
    query: new URLSearchParams(query),
  };
}

/** The hash of a page. */
export function hashOf(page, name = null, query = new URLSearchParams()) {
  const text = query.toString();
  return `#/${page}${name === null ? "" : `/${encodeURIComponent(name)}`}${text ? `?${text}` : ""}`;
}

/** Another page that looks at the same period. */
export function elsewhere(view, page, name = null, more = {}) {
  const query = new URLSearchParams([...view.query].filter(([key]) => CARRIED.includes(key)));
  for (const [key, value] of Object.entries(more)) query.set(key, value);
  return hashOf(page, name, query);
}

/** The same page with some parameters set, or removed where null. */
export function changed(view, changes) {
  const query = new URLSearchParams(view.query);
  for (const [key, value] of Object.entries(changes)) {
    query.delete(key);
    if (value !== null) query.set(key, value);
  }
  return hashOf(view.page, view.name, query);
}

/** The filters of a view: dimension to list of values. */
export function filtersOf(view) {
  const named = Object.keys(DIMENSIONS).filter((name) => view.query.has(name));
  return Object.fromEntries(named.map((name) => [name, view.query.getAll(name)]));
}

/** The same page with one more filter value, or one fewer where it was there. */
export function toggled(view, dimension, value) {
  const query = new URLSearchParams(view.query);
  const values = query.getAll(dimension);
  query.delete(dimension);
  const kept = values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
  for (const item of kept) query.append(dimension, item);
  return hashOf(view.page, view.name, query);
}

/** The same page without filters. */
export function unfiltered(view) {
  const query = new URLSearchParams([...view.query].filter(([key]) => !(key in DIMENSIONS)));
  return hashOf(view.page, view.name, query);
}

/** Go there; a hash that is there already changes nothing. */
export function go(hash) {
  location.hash = hash;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

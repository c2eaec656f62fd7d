// Asks for the numbers of a report, of everything or of one link, and for the names behind partner and campaign ids.

import { get, linkPath } from "./api.js";
import { filtersOf } from "./address.js";
import { periodQuery } from "./period.js";

const NAMES_MAX = 1000;
const namesByKey = new Map();

/** The stats body of a view's period; `breakdowns` are dimensions. */
export function fetchStats(view, period, breakdowns, signal, top = 9) {
  const path = view.page === "links" && view.name !== null ? `${linkPath(view.name)}/stats` : "/v1/stats";
  const query = { ...periodQuery(period), ...filtersOf(view), breakdown: breakdowns.join(",") || null, top };
  return get(path, query, signal);
}

/** {partner, campaign}: Maps of id to name. Kept for the session; a key that may not list them gets empty ones. */
export async function fetchNames(key) {
  if (!namesByKey.has(key)) namesByKey.set(key, Promise.all([namesOf("partner"), namesOf("campaign")]));
  const [partner, campaign] = await namesByKey.get(key);
  return { partner, campaign };
}

async function namesOf(kind) {
  try {
    const body = await get(`/v1/${kind}s`, { limit: NAMES_MAX });
    return new Map(body[`${kind}s`].map((row) => [String(row[`${kind}_id`]), row.name]));
  } catch {
    return new Map();
  }
}

// Asks for the numbers of a report.

import { get } from "./api.js";
import { filtersOf } from "./address.js";
import { periodQuery } from "./period.js";
import { statsPath } from "./subject.js";

/** The stats body of a view's period; `breakdowns` are dimensions, `filters` those of the view unless given. */
export function fetchStats(view, period, breakdowns, signal, { top = 9, filters = filtersOf(view) } = {}) {
  const query = { ...periodQuery(period), ...filters, breakdown: breakdowns.join(",") || null, top };
  return get(statsPath(view), query, signal);
}

// What a page is about: one link, one campaign, one partner, or (null) everything the key may see.

import { linkPath } from "./api.js";

const KINDS = { links: "link", campaigns: "campaign", partners: "partner" };

/** link, campaign or partner; null for everything. */
export function subjectOf(view) {
  return view.name === null ? null : (KINDS[view.page] ?? null);
}

/** What lists of clicks and conversions are asked, so that they are about it. */
export function subjectQuery(view) {
  const kind = subjectOf(view);
  return kind === null ? {} : { [kind]: view.name };
}

/** Where its stats are. */
export function statsPath(view) {
  const kind = subjectOf(view);
  if (kind === null) return "/v1/stats";
  return kind === "link"
    ? `${linkPath(view.name)}/stats`
    : `/v1/${kind}s/${encodeURIComponent(view.name)}/stats`;
}

// The partners and campaigns the key may see, read once a session: what they are called, and what is known of them.

import { getAll } from "./api.js";
import { currentKey } from "./session.js";

const rowsByKey = new Map();

/** {partner, campaign}: Maps of id, as text, to name. A key that may not list them gets empty ones. */
export async function fetchNames() {
  const rows = await fetchRows();
  const names = (kind) => new Map([...rows[kind]].map(([id, row]) => [id, row.name]));
  return { partner: names("partner"), campaign: names("campaign") };
}

/** {partner, campaign}: Maps of id, as text, to the row the API lists. */
export async function fetchRows() {
  const key = currentKey();
  if (!rowsByKey.has(key)) rowsByKey.set(key, Promise.all([rowsOf("partner"), rowsOf("campaign")]));
  const [partner, campaign] = await rowsByKey.get(key);
  return { partner, campaign };
}

/** Enrolments a link can be made on, each with a name people know. */
export async function fetchEnrolments(signal) {
  const [names, enrolments] = await Promise.all([fetchNames(), getAll("/v1/enrolments", "enrolments", signal)]);
  return enrolments.map((row) => ({
    ...row,
    name: `${names.partner.get(String(row.partner_id)) ?? `Partner ${row.partner_id}`} in ${names.campaign.get(String(row.campaign_id)) ?? `campaign ${row.campaign_id}`}`,
  }));
}

async function rowsOf(kind) {
  try {
    const rows = await getAll(`/v1/${kind}s`, `${kind}s`);
    return new Map(rows.map((row) => [String(row[`${kind}_id`]), row]));
  } catch {
    return new Map();
  }
}

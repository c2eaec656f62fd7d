// How a conversion's outcome, status and commission are written, wherever one is shown.

import { el } from "./element.js";
import { moneyText } from "./numbers.js";

const OUTCOMES = {
  attributed: { label: "Attributed", tone: "is-on" },
  awaiting_click: { label: "Awaiting its click", tone: "is-waiting" },
  unattributed: { label: "Unattributed", tone: "is-off" },
  duplicate: { label: "Duplicate", tone: "is-off" },
  conflict: { label: "Conflict", tone: "is-bad" },
  rejected: { label: "Rejected", tone: "is-bad" },
};
const STATUS_TONES = { pending: "is-waiting", approved: "is-on", paid: "is-on", rejected: "is-bad" };

/** What became of it. */
export function outcomeBadge({ outcome, reason }) {
  if (!outcome) return null;
  const { label, tone } = OUTCOMES[outcome] ?? { label: outcome, tone: "" };
  return el("span", { class: `badge ${tone}`, title: reason }, label);
}

/** Where it is on its way to being paid. */
export function statusBadge({ status }) {
  return status ? el("span", { class: `badge ${STATUS_TONES[status] ?? ""}` }, status) : null;
}

/** Its commission, in the conversion's currency: an amount in a list, with its rate in the conversion itself. */
export function commissionText({ commission, currency }) {
  const amount = commission?.amount ?? (typeof commission === "string" ? commission : null);
  return amount ? moneyText(amount, currency) : "–";
}

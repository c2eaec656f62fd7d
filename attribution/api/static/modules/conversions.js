// How a conversion's standing and commission are written wherever one is shown, and what may be decided about it.

import { el } from "./element.js";
import { moneyText } from "./numbers.js";
import { currentRole } from "./session.js";

const OUTCOMES = {
  attributed: { label: "Attributed", tone: "is-on" },
  awaiting_click: { label: "Awaiting its click", tone: "is-waiting" },
  unattributed: { label: "Unattributed", tone: "is-off" },
  duplicate: { label: "Duplicate", tone: "is-off" },
  conflict: { label: "Conflict", tone: "is-bad" },
  rejected: { label: "Rejected", tone: "is-bad" },
};
const STATUSES = {
  pending: { label: "Pending", tone: "is-waiting" },
  approved: { label: "Approved", tone: "is-on" },
  paid: { label: "Paid", tone: "is-on" },
  rejected: { label: "Rejected", tone: "is-bad" },
};

/** Where it stands: what became of it unless that is the usual, where it is on its way to being paid, and a hold. */
export function standingBadges({ outcome, status, reason, state_reason: stateReason, is_held: isHeld, hold_reason: held }) {
  const isUsual = outcome === "attributed" || outcome === "rejected";
  return [
    !isUsual && badge(OUTCOMES[outcome] ?? { label: outcome }, reason ?? stateReason),
    (isUsual || status !== "pending") && badge(STATUSES[status] ?? { label: status }),
    isHeld && status === "pending" && badge({ label: "Held", tone: "is-bad" }, held ?? reason),
  ];
}

/** Its commission, in the conversion's currency: an amount in a list, with its rate in the conversion itself. */
export function commissionText(conversion) {
  const amount = commissionOf(conversion);
  return amount ? moneyText(amount, conversion.currency) : "–";
}

/** The commission as a decimal string; null without any. */
export function commissionOf({ commission }) {
  return commission?.amount ?? (typeof commission === "string" ? commission : null);
}

/** Whether the reader may approve it: the API has the last word. */
export function mayApprove(conversion) {
  return mayDecide(conversion) && conversion.status === "pending" && conversion.outcome === "attributed";
}

/** Whether the reader may reject it. */
export function mayReject(conversion) {
  return mayDecide(conversion) && ["pending", "approved"].includes(conversion.status);
}

/** An adjustment goes with the conversion it adjusts, and partners only read. */
function mayDecide({ adjusts_conversion_id: id, adjusts_conversion_event_id: number }) {
  return currentRole() !== "partner" && !id && !number;
}

function badge({ label, tone = "" }, title = null) {
  return el("span", { class: `badge ${tone}`, title }, label);
}

// Approving and rejecting conversions, one or many: asked first, sent a few at a time, and what the ledger refuses is
// said with its reason, beside a button that tries those again.

import { amountsText, sumsOf } from "./amounts.js";
import { get, send } from "./api.js";
import { commissionOf, mayApprove, mayReject } from "./conversions.js";
import { openDialog } from "./dialog.js";
import { el } from "./element.js";
import { field, input, showFaults } from "./fields.js";
import { countText } from "./numbers.js";
import { announce } from "./states.js";

const LANES = 4;
const REASONS = ["fraud", "returned", "test order", "duplicate order", "not according to the terms"];
const ACTS = {
  approve: {
    label: "Approve",
    doing: "Approving",
    done: "approved",
    tone: "is-strong",
    may: mayApprove,
    meaning: (sums) => `Commission of ${amountsText(sums)} becomes final: later refunds are entries of their own.`,
  },
  reject: {
    label: "Reject",
    doing: "Rejecting",
    done: "rejected",
    tone: "is-danger",
    may: mayReject,
    meaning: (sums) => `Nobody earns the commission of ${amountsText(sums)} then. A rejection is for good.`,
  },
};

/** The buttons for what may be done with these conversions; `done` gets each one as it is afterwards. */
export function decisionButtons(conversions, done) {
  return Object.entries(ACTS).map(([act, { label, tone, may }]) => {
    const possible = conversions.filter(may);
    return (
      possible.length > 0 &&
      el(
        "button",
        {
          type: "button",
          class: `button ${tone}`,
          "data-key": act,
          on: { click: () => openDecision(act, possible, done) },
        },
        conversions.length > 1 ? `${label} ${countText(possible.length)}` : label,
      )
    );
  });
}

function openDecision(act, conversions, done) {
  const { label, tone, meaning } = ACTS[act];
  const sums = sumsOf(conversions.map((one) => [commissionOf(one), one.currency]));
  const hasMoney = Object.keys(sums).length > 0;
  const extra = act === "reject" ? reasonField() : holdField(conversions);
  const trouble = el("div", { class: "refusals", role: "alert" });
  const progress = el("p", { class: "is-muted", role: "status" });
  const button = el("button", { type: "submit", class: `button ${tone}` }, label);
  const form = el(
    "form",
    { class: "link-form", novalidate: true, on: { submit } },
    hasMoney && el("p", {}, meaning(sums)),
    extra,
    trouble,
    progress,
    el(
      "div",
      { class: "dialog-actions" },
      el("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
      button,
    ),
  );
  const dialog = openDialog(`${label} ${whatText(conversions)}?`, form);
  (form.querySelector("input") ?? button).focus();
  let left = conversions;

  async function submit(event) {
    event.preventDefault();
    const body = bodyOf(act, form);
    if (act === "reject" && !body.reason) return void showFaults(form, { reason: "Say why: partners read it." });
    showFaults(form, {});
    button.disabled = true;
    trouble.replaceChildren();
    const refused = await sendAll(act, left, body, done, (count) => {
      progress.textContent = `${ACTS[act].doing} ${countText(count)} of ${countText(left.length)}…`;
      return dialog.open;
    });
    button.disabled = false;
    progress.textContent = "";
    finish(refused);
  }

  function finish(refused) {
    const count = left.length - refused.length;
    if (count > 0) announce(`${countText(count)} ${count === 1 ? "is" : "are"} ${ACTS[act].done}.`);
    if (!refused.length) return dialog.close();
    left = refused.map(({ conversion }) => conversion);
    button.textContent = "Try again";
    trouble.replaceChildren(refusals(refused));
  }
}

/** Send them a few at a time, for as long as `isWanted(count)`; returns those that were refused and why. */
async function sendAll(act, conversions, body, done, isWanted) {
  const waiting = [...conversions];
  const refused = [];
  const lane = async () => {
    while (waiting.length && isWanted(conversions.length - waiting.length + 1)) {
      const conversion = waiting.shift();
      try {
        done(await send("POST", `${pathOf(conversion)}/${act}`, body));
      } catch (problem) {
        refused.push({ conversion, problem });
        if (problem.status === 409) await lookAgain(conversion, done);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return refused;
}

/** Somebody else may have decided meanwhile: show it as it is. */
async function lookAgain(conversion, done) {
  try {
    done(await get(pathOf(conversion)));
  } catch {
    // The refusal is shown; that the state could not be read anew adds nothing to it.
  }
}

function pathOf(conversion) {
  return `/v1/conversions/${encodeURIComponent(conversion.conversion_id)}`;
}

function bodyOf(act, form) {
  if (act === "reject") return { reason: form.elements.reason.value.trim() };
  return form.elements.lifts_hold?.checked ? { lifts_hold: true } : {};
}

function whatText(conversions) {
  if (conversions.length === 1) return nameOf(conversions[0]);
  return `${countText(conversions.length)} conversions`;
}

/** What a conversion is called. */
export function nameOf({ transaction_id: transaction, conversion_id: id }) {
  return transaction ?? id;
}

function reasonField() {
  const control = input("text", "", { list: "reasons", maxlength: 1000, required: true });
  return [
    field("reason", "Reason", control, "Kept with the conversion; its partners may read it.").node,
    el(
      "datalist",
      { id: "reasons" },
      REASONS.map((reason) => el("option", { value: reason })),
    ),
  ];
}

/** Held ones are approved only when somebody says that they looked. */
function holdField(conversions) {
  const held = conversions.filter((one) => one.is_held);
  if (!held.length) return null;
  const names = held.map((one) => `${nameOf(one)} (${one.hold_reason ?? one.reason ?? "held"})`);
  return el(
    "div",
    { class: "held" },
    el("p", {}, `Held to be looked at: ${names.join(", ")}`),
    el(
      "label",
      { class: "check" },
      el("input", { type: "checkbox", name: "lifts_hold" }),
      " I have looked: approve what is held too",
    ),
  );
}

function refusals(refused) {
  const lines = refused.map(({ conversion, problem }) =>
    el("li", {}, el("strong", {}, nameOf(conversion)), " ", whyNot(problem)),
  );
  return el(
    "div",
    {},
    el("p", { class: "is-bad" }, `${countText(refused.length)} could not be changed:`),
    el("ul", {}, lines),
  );
}

/** What the ledger says of the conversion's state, or of the reason given; otherwise what went wrong. */
function whyNot({ fields, message }) {
  return Object.values(fields ?? {}).join("; ") || message;
}

// The dialog in which a link is made or edited. It sends only what was changed; what the API refuses stands next to
// the field it names.

import { getTagged, linkPath, send } from "./api.js";
import { openDialog } from "./dialog.js";
import { el } from "./element.js";
import { field, input, select, showFaults, textarea } from "./fields.js";
import { readLink, writeLink } from "./link_values.js";
import { announce } from "./states.js";

const UTM = ["source", "medium", "campaign", "content", "term"];
const STATUSES = { 302: "302 Found", 303: "303 See other", 307: "307 Temporary" };
const FORWARDS = {
  append: "Add what the link does not set",
  off: "Drop it",
  override: "Prefer it to the link's own",
  list: "Only the names below",
};

/** Make a link; `done` gets it. */
export function openNewLink(enrolments, role, zone, done) {
  openForm(
    "New link",
    null,
    fieldsOfNew(enrolments, role),
    zone,
    (values) => send("POST", "/v1/links", values),
    done,
  );
}

/** Edit a link as it is now; refused when somebody else changes it meanwhile. */
export async function openEditLink(code, zone, done) {
  try {
    const { body: link, etag } = await getTagged(linkPath(code));
    const save = (values) => send("PATCH", linkPath(code), values, etag ? { "If-Match": etag } : {});
    openForm(`Edit ${code}`, link, [], zone, save, done);
  } catch (problem) {
    announce(problem.message);
  }
}

function openForm(title, link, firstFields, zone, save, done) {
  const before = writeLink(link, zone);
  const trouble = el("p", { class: "field-error", role: "alert" });
  const button = el("button", { class: "button is-strong", type: "submit" }, link ? "Save" : "Create link");
  const form = el(
    "form",
    { class: "link-form", novalidate: true, on: { submit: submit } },
    firstFields,
    basics(before),
    group(
      "Campaign tags",
      UTM.map((name) => utmField(name, before)),
    ),
    group(`Start, end, limit (${zone})`, limits(before)),
    group("Redirect and rules", redirects(before)),
    trouble,
    el(
      "div",
      { class: "dialog-actions" },
      el("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
      button,
    ),
  );
  const dialog = openDialog(title, form);
  form.querySelector("input, select").focus();

  async function submit(event) {
    event.preventDefault();
    trouble.textContent = "";
    const { values, faults } = readLink(form, before, zone);
    if (Object.keys(faults).length) return void showFaults(form, faults);
    button.disabled = true;
    try {
      const saved = await save(values);
      dialog.close();
      announce(link ? `${saved.code} is saved.` : `${saved.code} is made.`);
      done(saved);
    } catch (problem) {
      const homeless = showFaults(form, problem.fields ?? {});
      trouble.textContent =
        homeless.length || !Object.keys(problem.fields ?? {}).length
          ? [messageOf(problem), ...homeless].join(" ")
          : "";
    } finally {
      button.disabled = false;
    }
  }
}

function messageOf(problem) {
  if (problem.status === 412)
    return "Somebody else changed this link meanwhile. Close this and open it again.";
  return problem.message;
}

function fieldsOfNew(enrolments, role) {
  const plain = role === "partner" ? {} : { "": "No one: a plain link" };
  const options = {
    ...plain,
    ...Object.fromEntries(enrolments.map((row) => [row.campaign_partner_id, row.name])),
  };
  return [
    field(
      "campaign_partner_id",
      "Whose clicks these are",
      select(options, ""),
      "A partner's enrolment in a campaign, or a plain link.",
    ).node,
    field(
      "code",
      "Code",
      input("text", "", { placeholder: "made up when left empty", spellcheck: "false" }),
      "Any script, emoji and / are fine. A code never changes.",
    ).node,
  ];
}

function basics(before) {
  const url = input("url", before.destination_url, { inputmode: "url", placeholder: "https://" });
  return [
    field("destination_url", "Destination", url, "Empty: the destination of the campaign.").node,
    field("label", "Label", input("text", before.label), "For you alone; visitors never see it.").node,
  ];
}

function utmField(name, before) {
  return field(`utm_params.utm_${name}`, `utm_${name}`, input("text", before[`utm_params.utm_${name}`])).node;
}

function limits(before) {
  return [
    field("starts_at", "Starts", input("datetime-local", before.starts_at)).node,
    field("expires_at", "Expires", input("datetime-local", before.expires_at)).node,
    field(
      "max_clicks",
      "Clicks at most",
      input("number", before.max_clicks, { min: 1, inputmode: "numeric" }),
    ).node,
    field(
      "fallback_url",
      "Then visitors go to",
      input("url", before.fallback_url, { placeholder: "https://" }),
      "After the end or the limit. Empty: they see that it is gone.",
    ).node,
  ];
}

function redirects(before) {
  return [
    field("redirect_status", "Answer", select(STATUSES, before.redirect_status)).node,
    field("forward_query", "The visitor's query", select(FORWARDS, before.forward_query)).node,
    field("forward_names", "Names to forward", input("text", before.forward_names), "Separated by commas.")
      .node,
    field("custom_params", "Parameters of your own", textarea(before.custom_params), "One name=value a line.")
      .node,
    field(
      "rules",
      "Rules",
      textarea(before.rules, { rows: 5, class: "is-code" }),
      'JSON, the first match wins: [{"when": {"country": ["GB"], "device": ["mobile"]}, "to": "https://…"}]',
    ).node,
  ];
}

function group(title, fields) {
  const isUsed = fields.some((node) => {
    const control = node.querySelector("input, select, textarea");
    return control.tagName !== "SELECT" && control.value !== "";
  });
  return el(
    "details",
    { class: "group", open: isUsed },
    el("summary", {}, title),
    el("div", { class: "group-fields" }, fields),
  );
}

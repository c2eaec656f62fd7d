// How a link stands, and what can be done with one wherever it is shown: copy, QR code, edit, switch off and on.

import { getText, linkPath, send } from "./api.js";
import { copyButton } from "./clipboard.js";
import { confirmed, openDialog } from "./dialog.js";
import { el } from "./element.js";
import { icon } from "./icons.js";
import { announce, fill } from "./states.js";

/** How a link stands now: a word and how it is coloured. */
export function standingOf(link, nowMs = Date.now()) {
  if (link.is_disabled) return { text: "Disabled", tone: "is-off" };
  if (link.expires_at && Date.parse(link.expires_at) <= nowMs) return { text: "Expired", tone: "is-off" };
  if (link.starts_at && Date.parse(link.starts_at) > nowMs)
    return { text: "Not started", tone: "is-waiting" };
  return { text: "Active", tone: "is-on" };
}

/** The coloured word. */
export function standingBadge(link) {
  const { text, tone } = standingOf(link);
  return el("span", { class: `badge ${tone}` }, text);
}

/** Copy, QR, edit, switch: what can be done with a link. `edit` and `done` are called to edit and after a change. */
export function linkActions(link, edit, done) {
  const code = link.code;
  return el(
    "div",
    { class: "button-row" },
    copyButton(link.short_url, `Copy the address of ${code}`),
    action("qr", `QR code of ${code}`, () => showQr(link)),
    action("edit", `Edit ${code}`, edit),
    link.is_disabled
      ? action("play", `Enable ${code}`, () => setDisabled(link, false, done))
      : action("stop", `Disable ${code}`, () => disable(link, done)),
  );
}

function action(name, label, act) {
  return el(
    "button",
    {
      type: "button",
      class: "button is-icon",
      "aria-label": label,
      title: label,
      "data-key": label,
      on: { click: act },
    },
    icon(name),
  );
}

async function disable(link, done) {
  const text = `Visitors of ${link.short_url} will see that it is gone (410). Its clicks stay, and you can enable it again.`;
  if (await confirmed(`Disable ${link.code}?`, text, "Disable")) await setDisabled(link, true, done);
}

async function setDisabled(link, isDisabled, done) {
  try {
    const changedLink = await send("PATCH", linkPath(link.code), { is_disabled: isDisabled });
    announce(`${link.code} is ${isDisabled ? "disabled" : "enabled"}.`);
    done(changedLink);
  } catch (problem) {
    announce(problem.message);
  }
}

function showQr(link) {
  const place = el("div", { class: "qr" });
  openDialog(`QR code of ${link.code}`, place, el("p", { class: "is-muted qr-url" }, link.short_url));
  fill(
    place,
    () => getText(`${linkPath(link.code)}/qr.svg`),
    (text) => qrPicture(link, text),
    3,
  );
}

function qrPicture(link, text) {
  const source = `data:image/svg+xml,${encodeURIComponent(text)}`;
  return el(
    "div",
    {},
    el("img", {
      class: "qr-picture",
      src: source,
      alt: `QR code that leads to ${link.short_url}`,
      width: 240,
      height: 240,
    }),
    el(
      "a",
      { class: "button", href: source, download: `${link.code.replaceAll("/", "-")}.svg` },
      "Download SVG",
    ),
  );
}

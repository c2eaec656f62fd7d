// Chooses the period and the time zone of a view: presets, two days of one's own, one period back or on.

import { changed, go } from "./address.js";
import { disclosure } from "./disclosure.js";
import { el } from "./element.js";
import { icon } from "./icons.js";
import { addDays, dayOf, instantOf, ownZone, zoneNames } from "./moments.js";
import { PRESETS, customQuery, previousOf } from "./period.js";

/** The control for a view whose period is `period`. */
export function periodPicker(view, period) {
  const content = [
    icon("calendar"),
    el("span", {}, period.label),
    el("span", { class: "zone" }, zoneLabel(period.zone)),
  ];
  const panel = disclosure({ key: "period", label: "Period and time zone", content }, () =>
    el("div", { class: "period-panel" }, presets(view, period), customDays(view, period), zone(view, period)),
  );
  return el(
    "div",
    { class: "period-picker" },
    step(view, "left", "Previous period", earlier(period), "period-back"),
    panel.node,
    step(view, "right", "Next period", later(period), "period-on"),
  );
}

function zoneLabel(zone) {
  return zone.split("/").at(-1).replaceAll("_", " ");
}

function presets(view, period) {
  const choose = (name) => go(changed(view, { period: name, start: null, end: null, interval: null }));
  return el(
    "div",
    { class: "presets" },
    Object.entries(PRESETS).map(([name, label]) =>
      el(
        "button",
        {
          type: "button",
          class: "option",
          "aria-pressed": String(name === period.preset),
          on: { click: () => choose(name) },
        },
        label,
      ),
    ),
  );
}

function customDays(view, period) {
  const first = el("input", { type: "date", required: true, value: dayOf(period.startMs, period.zone) });
  const last = el("input", { type: "date", required: true, value: dayOf(period.endMs - 1, period.zone) });
  const apply = (event) => {
    event.preventDefault();
    last.setCustomValidity(last.value < first.value ? "The last day lies before the first." : "");
    if (!last.reportValidity()) return;
    go(changed(view, { period: null, interval: null, start: first.value, end: addDays(last.value, 1) }));
  };
  return el(
    "form",
    { class: "custom-days", on: { submit: apply, input: () => last.setCustomValidity("") } },
    el("label", { class: "field" }, el("span", {}, "First day"), first),
    el("label", { class: "field" }, el("span", {}, "Last day"), last),
    el("button", { class: "button is-strong", type: "submit" }, "Show these days"),
  );
}

function zone(view, period) {
  const names = [...new Set([ownZone(), ...zoneNames(), period.zone])];
  const options = names.map((name) =>
    el("option", { value: name, selected: name === period.zone }, name.replaceAll("_", " ")),
  );
  const choose = (event) => go(changed(view, { timezone: event.target.value }));
  return el(
    "label",
    { class: "field" },
    el("span", {}, "Time zone"),
    el("select", { name: "timezone", on: { change: choose } }, options),
  );
}

function step(view, name, label, period, key) {
  const isPossible = period !== null;
  const move = () => go(changed(view, customQuery(period.startMs, period.endMs, period.zone)));
  return el(
    "button",
    {
      type: "button",
      class: "button is-icon",
      "aria-label": label,
      title: label,
      "data-key": key,
      disabled: !isPossible,
      on: { click: move },
    },
    icon(name),
  );
}

function earlier(period) {
  return previousOf(period, period.endMs);
}

function later(period) {
  if (period.endMs > Date.now()) return null;
  if (!period.isWholeDays)
    return { ...period, startMs: period.endMs, endMs: 2 * period.endMs - period.startMs };
  const [start, end] = [dayOf(period.startMs, period.zone), dayOf(period.endMs, period.zone)];
  const days = Math.round((Date.parse(end) - Date.parse(start)) / 86_400_000);
  return { ...period, startMs: period.endMs, endMs: instantOf(addDays(end, days), period.zone) };
}

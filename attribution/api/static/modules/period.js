// The half-open period a view looks at: its two instants, its steps, and the period before it that it is compared
// with. Presets follow the calendar of the view's time zone.

import { addDays, dayOf, daysBetween, instantOf, isZone, monthStart, ownZone, rangeText } from "./moments.js";

/** Presets by the name they have in an address. */
export const PRESETS = {
  today: "Today",
  yesterday: "Yesterday",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  month: "This month",
  last_month: "Last month",
  "12m": "Last 12 months",
};
export const DEFAULT_PRESET = "30d";
export const INTERVALS = ["hour", "day", "week", "month"];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const IS_DAY = /^\d{4}-\d\d-\d\d$/;

/** {preset, zone, startMs, endMs, interval, isWholeDays, label} of a view. */
export function periodOf(view, nowMs = Date.now()) {
  const zone = isZone(view.query.get("timezone") ?? "") ? view.query.get("timezone") : ownZone();
  const period = custom(view.query, zone) ?? preset(view.query.get("period"), zone, nowMs);
  const asked = view.query.get("interval");
  const fitting = fittingIntervals(period);
  period.interval = fitting.includes(asked) ? asked : fitting[0];
  period.label = period.preset ? PRESETS[period.preset] : customLabel(period);
  return period;
}

/** The period before, as long as what has passed of this one: a running day is not compared with a whole one. */
export function previousOf(period, nowMs = Date.now()) {
  const { startMs, endMs, zone } = period;
  const before = beforeStart(period);
  const passedMs = Math.ceil(nowMs / HOUR_MS) * HOUR_MS - startMs;
  const isRunning = nowMs < endMs;
  const end = isRunning ? Math.min(before + passedMs, startMs) : startMs;
  return { ...period, startMs: before, endMs: Math.max(end, before + 1), zone };
}

/** What the API is asked: the ends as instants, steps, zone. */
export function periodQuery(period) {
  const [start, end] = [period.startMs, period.endMs].map((ms) => new Date(ms).toISOString());
  return { start, end, interval: period.interval, timezone: period.zone };
}

/** Intervals that give a chart neither two points nor two thousand, the best first. */
export function fittingIntervals({ startMs, endMs }) {
  const days = (endMs - startMs) / DAY_MS;
  if (days <= 3) return ["hour", ...(days > 1 ? ["day"] : [])];
  if (days <= 31) return ["day", "hour", ...(days > 13 ? ["week"] : [])];
  if (days <= 120) return ["day", "week", "month"];
  return days <= 500 ? ["week", "day", "month"] : ["month", "week"];
}

/** Address parameters of a period between two instants, as days where it begins and ends on them. */
export function customQuery(startMs, endMs, zone) {
  const days = [startMs, endMs].map((ms) => dayOf(ms, zone));
  const isWhole = [startMs, endMs].every((ms, index) => instantOf(days[index], zone) === ms);
  const [start, end] = isWhole ? days : [startMs, endMs].map((ms) => new Date(ms).toISOString());
  return { period: null, interval: null, start, end };
}

function preset(asked, zone, nowMs) {
  const name = asked in PRESETS ? asked : DEFAULT_PRESET;
  const today = dayOf(nowMs, zone);
  const tomorrow = addDays(today, 1);
  const [start, end] = {
    today: [today, tomorrow],
    yesterday: [addDays(today, -1), today],
    "7d": [addDays(tomorrow, -7), tomorrow],
    "30d": [addDays(tomorrow, -30), tomorrow],
    "90d": [addDays(tomorrow, -90), tomorrow],
    month: [monthStart(today), monthStart(today, 1)],
    last_month: [monthStart(today, -1), monthStart(today)],
    "12m": [monthStart(today, -11), monthStart(today, 1)],
  }[name];
  return ofDays(name, start, end, zone);
}

function custom(query, zone) {
  const [start, end] = [query.get("start") ?? "", query.get("end") ?? ""];
  if (IS_DAY.test(start) && IS_DAY.test(end) && start < end) return ofDays(null, start, end, zone);
  const [startMs, endMs] = [Date.parse(start), Date.parse(end)];
  return startMs < endMs ? { preset: null, zone, startMs, endMs, isWholeDays: false } : null;
}

function ofDays(name, start, end, zone) {
  return {
    preset: name,
    zone,
    startMs: instantOf(start, zone),
    endMs: instantOf(end, zone),
    isWholeDays: true,
  };
}

function beforeStart({ startMs, endMs, zone, isWholeDays }) {
  if (!isWholeDays) return startMs - (endMs - startMs);
  const [start, end] = [dayOf(startMs, zone), dayOf(endMs, zone)];
  const isMonths = start.endsWith("-01") && end.endsWith("-01");
  const day = isMonths
    ? monthStart(start, -monthsBetween(start, end))
    : addDays(start, -daysBetween(start, end));
  return instantOf(day, zone);
}

function monthsBetween(start, end) {
  const [[startYear, startMonth], [endYear, endMonth]] = [start, end].map((day) =>
    day.split("-").map(Number),
  );
  return (endYear - startYear) * 12 + endMonth - startMonth;
}

function customLabel({ startMs, endMs, zone, isWholeDays }) {
  return rangeText(startMs, isWholeDays ? endMs - 1 : endMs, zone, !isWholeDays);
}

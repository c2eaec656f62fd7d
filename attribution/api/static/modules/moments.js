// Instants and calendar days in any IANA time zone, from what Intl knows; instants are Unix milliseconds, days are
// "2026-11-20". Also how moments are written for people.

const DAY_MS = 86_400_000;
const partsFormats = new Map();

/** Names of all zones this browser knows, UTC first. */
export function zoneNames() {
  const known = Intl.supportedValuesOf?.("timeZone") ?? [];
  return ["UTC", ...known.filter((name) => name !== "UTC")];
}

/** The zone of this computer. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Whether a zone of that name is known. */
export function isZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The day on the calendars of the zone. */
export function dayOf(ms, zone) {
  const { year, month, day } = partsOf(ms, zone);
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}

/** "2026-11-20T14:05", as date-time inputs have it. */
export function wallClock(ms, zone) {
  const { hour, minute } = partsOf(ms, zone);
  return `${dayOf(ms, zone)}T${two(hour)}:${two(minute)}`;
}

/** The instant of a day's beginning, or of a wall clock time, in the zone. */
export function instantOf(wall, zone) {
  const target = Date.parse(`${wall.length === 10 ? `${wall}T00:00` : wall}:00Z`);
  // Two looks: the offset at the first guess may be that of the other side of a clock change.
  const guess = target - offsetMs(target, zone);
  return target - offsetMs(guess, zone);
}

/** A day some days later. */
export function addDays(day, count) {
  return new Date(Date.parse(`${day}T00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/** The first of the month some months later. */
export function monthStart(day, count = 0) {
  const [year, month] = day.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1 + count, 1)).toISOString().slice(0, 10);
}

/** Whole days from one to the other. */
export function daysBetween(first, last) {
  return Math.round((Date.parse(`${last}T00:00Z`) - Date.parse(`${first}T00:00Z`)) / DAY_MS);
}

/** "20 Nov 2026, 14:05" by the reader's language. */
export function dateTimeText(ms, zone) {
  return new Intl.DateTimeFormat(undefined, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: zone,
  }).format(ms);
}

/** "14:05:09". */
export function timeText(ms, zone) {
  return new Intl.DateTimeFormat(undefined, { timeStyle: "medium", timeZone: zone }).format(ms);
}

/** A range of moments as short as it can be said. */
export function rangeText(startMs, endMs, zone, hasTime) {
  const options = hasTime
    ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
    : { day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone }).formatRange(startMs, endMs);
}

/** The start of a bucket, as detailed as its interval. */
export function bucketText(ms, zone, interval) {
  const options = {
    hour: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
    week: { day: "numeric", month: "short", year: "numeric" },
    month: { month: "long", year: "numeric" },
  }[interval];
  const text = new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone }).format(ms);
  return interval === "week" ? `Week of ${text}` : text;
}

function partsOf(ms, zone) {
  if (!partsFormats.has(zone)) {
    const numeric = Object.fromEntries(
      ["year", "month", "day", "hour", "minute", "second"].map((name) => [name, "numeric"]),
    );
    partsFormats.set(zone, new Intl.DateTimeFormat("en", { ...numeric, hourCycle: "h23", timeZone: zone }));
  }
  const parts = partsFormats.get(zone).formatToParts(ms);
  return Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
}

function offsetMs(ms, zone) {
  const { year, month, day, hour, minute, second } = partsOf(ms, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

function two(number) {
  return String(number).padStart(2, "0");
}

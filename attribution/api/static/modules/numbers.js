// Counts, shares and money as people read them. Money comes and stays as decimal strings: sums and differences are
// made of integers, and only the length of a bar or the height of a line is ever a float.

const counts = new Intl.NumberFormat();
const compactCounts = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const shares = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const rates = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 2 });
const changes = new Intl.NumberFormat(undefined, {
  style: "percent",
  maximumFractionDigits: 0,
  signDisplay: "exceptZero",
});
const moneyFormats = new Map();

/** 12,345. */
export function countText(count) {
  return counts.format(count);
}

/** 12.3K, for axes. */
export function compactText(count) {
  return compactCounts.format(count);
}

/** A part of a whole as a percentage. */
export function shareText(part, whole) {
  return whole ? shares.format(part / whole) : "–";
}

/** A rate such as "0.0122" as a percentage. */
export function rateText(rate) {
  return rates.format(rate);
}

/** How much more or less than before; null where there was nothing before. */
export function changeOf(now, before) {
  return before ? (now - before) / before : null;
}

/** +12 %. */
export function changeText(change) {
  return changes.format(change);
}

/** "1200.00" USD as $1,200.00; the string is formatted as it is, no float between. */
export function moneyText(amount, currency, options = {}) {
  const name = `${currency} ${JSON.stringify(options)}`;
  if (!moneyFormats.has(name)) moneyFormats.set(name, moneyFormat(currency, options));
  return moneyFormats.get(name).format(amount);
}

/** The difference of two decimal strings, exactly. */
export function minus(minuend, subtrahend) {
  return plus(minuend, subtrahend.startsWith("-") ? subtrahend.slice(1) : `-${subtrahend}`);
}

/** The sum of two decimal strings, exactly. */
export function plus(one, other) {
  const places = Math.max(...[one, other].map((amount) => (amount.split(".")[1] ?? "").length));
  const units = scaled(one, places) + scaled(other, places);
  const digits = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const text = places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
  return units < 0n ? `-${text}` : text;
}

/** How an amount compares: for drawing and sorting, never for adding up. */
export function sizeOf(amount) {
  return Number(amount ?? 0);
}

function moneyFormat(currency, options) {
  try {
    return new Intl.NumberFormat(undefined, {
      style: "currency",
      currency,
      currencyDisplay: "narrowSymbol",
      maximumFractionDigits: 4,
      ...options,
    });
  } catch {
    // A code Intl does not take as a currency: the amount and the code, side by side.
    const plain = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 8 });
    return { format: (amount) => `${plain.format(amount)} ${currency}` };
  }
}

function scaled(amount, places) {
  const [, sign, whole, decimals = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount) ?? [null, "", "0"];
  const units = BigInt(whole + decimals.padEnd(places, "0"));
  return sign ? -units : units;
}

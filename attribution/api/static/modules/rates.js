// How a commission rate is written.

/** "10 %", or "8 flat" in the currency of the sale. */
export function commissionRate(type, value) {
  if (value === null || value === undefined) return "–";
  const short = value.includes(".") ? value.replace(/\.?0+$/, "") : value;
  return type === "percentage" ? `${short} %` : `${short} ${type ?? ""}`.trim();
}

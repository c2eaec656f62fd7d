// A conversion's journey drawn: its touches from left to right in the order they happened, one row a model, and in
// each crossing a disc as large as the credit. The table beside it says the same in text.

import { MODELS } from "./credit_models.js";
import { svg } from "./element.js";
import { dateTimeText } from "./moments.js";
import { moneyText, shareText, sizeOf } from "./numbers.js";

const LEFT = 132;
const STEP_MIN = 112;
const STEP_MAX = 184;
const WIDTH_WANTED = 970;
const TOP = 74;
const ROW = 52;
const RADIUS_MAX = 19;

/** The drawing of touches by model, with the paying model's row marked. */
export function journeyPicture(conversion, zone) {
  const stops = stopsOf(conversion.touches);
  const models = Object.keys(MODELS).filter((model) => conversion.touches[model]?.length);
  const step = stepFor(stops.length);
  const xOf = (index) => LEFT + step / 2 + step * index;
  const width = LEFT + step * stops.length + 120;
  const height = TOP + ROW * models.length + 12;
  const end = LEFT + step * stops.length + 28;
  return svg(
    "svg",
    {
      class: "journey",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": summary(stops, models),
    },
    svg("line", { class: "journey-way", x1: xOf(0), y1: 48, x2: end, y2: 48 }),
    stops.map((stop, index) => stopMark(stop, xOf(index), zone)),
    svg("path", { class: "journey-end", d: `M${end},38 l10,10 l-10,10 l-10,-10 z` }),
    label(end, 22, conversion.event ?? "conversion", "journey-code"),
    models.map((model, row) => modelRow(conversion, model, row, stops, width, xOf)),
  );
}

/** The touches of all models, each click once, in time's order. */
export function stopsOf(touches) {
  const byClick = new Map();
  for (const touch of Object.values(touches).flat())
    byClick.set(touch.click_id ?? touch.code ?? "coupon", touch);
  return [...byClick.values()].sort(
    (one, other) => Date.parse(one.clicked_at) - Date.parse(other.clicked_at),
  );
}

/** The touch of a model that belongs to a stop. */
export function touchAt(touches, model, stop) {
  return (touches[model] ?? []).find((touch) => touch.click_id === stop.click_id && touch.code === stop.code);
}

function summary(stops, models) {
  return `Journey of ${stops.length} touches, credited under ${models.length} models. The table below has every number.`;
}

function stopMark(stop, x, zone) {
  return svg(
    "g",
    {},
    svg("circle", { class: "journey-stop", cx: x, cy: 48, r: 6 }),
    label(x, 14, clipped(stop.code ?? stop.touch_type ?? "touch"), "journey-code"),
    label(
      x,
      31,
      stop.clicked_at ? dateTimeText(Date.parse(stop.clicked_at), zone).replace(/ \d{4}/, "") : "",
      "journey-when",
    ),
  );
}

function modelRow(conversion, model, row, stops, width, xOf) {
  const y = TOP + ROW * row + ROW / 2;
  const isPaying = conversion.attribution_model === model;
  return svg(
    "g",
    { class: isPaying ? "journey-row is-paying" : "journey-row" },
    svg("rect", { x: 2, y: y - ROW / 2 + 3, width: width - 4, height: ROW - 6, rx: 8 }),
    svg("text", { class: "journey-model", x: 14, y: isPaying ? y - 2 : y + 4 }, MODELS[model].label),
    isPaying && svg("text", { class: "journey-pays", x: 14, y: y + 14 }, "pays"),
    stops.map((stop, index) =>
      disc(touchAt(conversion.touches, model, stop), xOf(index), y, conversion.currency),
    ),
  );
}

function disc(touch, x, y, currency) {
  const weight = sizeOf(touch?.weight);
  if (!weight) return svg("circle", { class: "journey-none", cx: x, cy: y, r: 2.5 });
  const radius = Math.max(5, RADIUS_MAX * Math.sqrt(weight));
  const value = touch.value === undefined || touch.value === null ? "" : moneyText(touch.value, currency);
  return svg(
    "g",
    {},
    svg("title", {}, `${shareText(weight, 1)} ${value}`),
    svg("circle", { class: "journey-disc", cx: x - 22, cy: y, r: radius }),
    svg("text", { class: "journey-share", x: x + 3, y: y - 2 }, shareText(weight, 1)),
    svg("text", { class: "journey-value", x: x + 3, y: y + 13 }, value),
  );
}

function label(x, y, text, className) {
  return svg("text", { class: className, x, y, "text-anchor": "middle" }, text);
}

/** Touches stand further apart where there is room; a narrow screen scrolls. */
function stepFor(count) {
  const room = Math.min(innerWidth, WIDTH_WANTED) - LEFT - 200;
  return Math.min(STEP_MAX, Math.max(STEP_MIN, room / count));
}

function clipped(text) {
  return text.length > 14 ? `${text.slice(0, 13)}…` : text;
}

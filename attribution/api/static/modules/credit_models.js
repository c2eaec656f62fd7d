// The five models, in the order they are shown, and what each does in a few words.

export const MODELS = {
  first_click: { label: "First click", meaning: "all to the first touch" },
  last_click: { label: "Last click", meaning: "all to the last touch" },
  linear: { label: "Linear", meaning: "equal parts" },
  time_decay: { label: "Time decay", meaning: "more to later touches" },
  position_based: { label: "Position", meaning: "most to first and last" },
};

/** A model's name for people. */
export function modelText(model) {
  return MODELS[model]?.label ?? model ?? "–";
}

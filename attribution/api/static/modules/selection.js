// Boxes beside the rows of a list, one above that ticks them all, and which are ticked.

import { el } from "./element.js";

/** {allBox, boxOf, forget, clear}. `onChange` gets the items whose boxes are ticked. */
export function selection(onChange) {
  const boxes = new Map();
  const tick = (isOn) => {
    for (const { node } of boxes.values()) node.checked = isOn;
    tell();
  };
  const allBox = el("input", {
    type: "checkbox",
    disabled: true,
    "aria-label": "Select all that are shown",
    on: { change: () => tick(allBox.checked) },
  });

  function boxOf(id, name, item) {
    const node = el("input", { type: "checkbox", "aria-label": `Select ${name}`, on: { change: tell } });
    boxes.set(id, { item, node });
    dress();
    return node;
  }

  function tell() {
    dress();
    onChange(ticked());
  }

  function ticked() {
    return [...boxes.values()].filter(({ node }) => node.checked).map(({ item }) => item);
  }

  function dress() {
    const count = ticked().length;
    allBox.disabled = boxes.size === 0;
    allBox.checked = count > 0 && count === boxes.size;
    allBox.indeterminate = count > 0 && count < boxes.size;
  }

  /** The row of this item has no box any more. */
  function forget(id) {
    boxes.delete(id);
    tell();
  }

  return { allBox, boxOf, forget, clear: () => tick(false) };
}

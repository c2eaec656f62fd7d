// A button that opens a panel beside it. Escape and a click elsewhere close it and give the focus back; leaving it
// with Tab closes it too.

import { el } from "./element.js";

/** {node, close}: the button and its panel; `fillPanel` makes the content each time it opens. */
export function disclosure({ key, label, content, className = "" }, fillPanel) {
  const panel = el("div", { class: "panel", hidden: true, role: "group", "aria-label": label });
  const button = el(
    "button",
    {
      type: "button",
      class: `button ${className}`,
      "aria-expanded": "false",
      "data-key": key,
      on: { click: toggle },
    },
    content,
  );
  const node = el(
    "div",
    { class: "disclosure", on: { keydown: onKey, focusout: onFocusOut } },
    button,
    panel,
  );

  function toggle() {
    if (panel.hidden) open();
    else close();
  }

  function open() {
    panel.replaceChildren(fillPanel());
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    (panel.querySelector("[aria-pressed=true]") ?? panel.querySelector("input, select, button"))?.focus();
    document.addEventListener("pointerdown", onPointer);
  }

  function close() {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", onPointer);
  }

  function onKey(event) {
    if (event.key !== "Escape" || panel.hidden) return;
    close();
    button.focus();
  }

  function onPointer(event) {
    if (!node.contains(event.target)) close();
  }

  function onFocusOut(event) {
    if (event.relatedTarget && !node.contains(event.relatedTarget)) close();
  }

  return { node, close };
}

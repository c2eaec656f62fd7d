// Tabs as the ARIA practices describe them: arrow keys move between them, Tab goes on into what they show.

import { el } from "./element.js";

/** A row of tabs over `panel`; `choose(name)` is called with the one that was picked. `labels` maps name to label. */
export function tabRow(label, labels, chosen, panel, choose) {
  const names = Object.keys(labels);
  const row = el("div", { class: "tabs", role: "tablist", "aria-label": label, on: { keydown: onKey } });
  panel.setAttribute("role", "tabpanel");
  panel.tabIndex = -1;
  show(chosen);

  function show(name) {
    const tabs = names.map((each) =>
      el(
        "button",
        {
          type: "button",
          class: "tab",
          role: "tab",
          "aria-selected": String(each === name),
          tabindex: each === name ? 0 : -1,
          "data-name": each,
          on: { click: () => pick(each) },
        },
        labels[each],
      ),
    );
    row.replaceChildren(...tabs);
    panel.setAttribute("aria-label", labels[name]);
  }

  function pick(name) {
    show(name);
    row.querySelector("[aria-selected=true]").focus();
    choose(name);
  }

  function onKey(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const at = names.indexOf(event.target.dataset.name);
    pick(names[(at + move + names.length) % names.length]);
  }

  return row;
}

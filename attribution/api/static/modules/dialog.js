// A modal dialog: the browser keeps the focus inside, closes on Escape and gives the focus back.

import { el } from "./element.js";
import { icon } from "./icons.js";

/** Open a dialog over the page and return it; it is removed when closed. */
export function openDialog(title, ...content) {
  const close = el(
    "button",
    { type: "button", class: "button is-icon", "aria-label": "Close", on: { click: () => dialog.close() } },
    icon("close"),
  );
  const dialog = el(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-title" },
    el("div", { class: "dialog-head" }, el("h2", { id: "dialog-title" }, title), close),
    content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  window.addEventListener("hashchange", () => dialog.close(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask before something that cannot be undone lightly; resolves to true when confirmed. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const answer = (isYes) => {
      dialog.close();
      resolve(isYes);
    };
    const dialog = openDialog(
      title,
      el("p", {}, text),
      el(
        "div",
        { class: "dialog-actions" },
        el(
          "button",
          { type: "button", class: "button", on: { click: () => answer(false) } },
          "Keep as it is",
        ),
        el(
          "button",
          { type: "button", class: "button is-danger", on: { click: () => answer(true) } },
          action,
        ),
      ),
    );
    dialog.addEventListener("close", () => resolve(false));
  });
}

// Copies text, also where the page is not served over TLS and browsers withhold the clipboard.

import { el } from "./element.js";
import { icon } from "./icons.js";
import { announce } from "./states.js";

/** A button that copies `text` and says so. */
export function copyButton(text, label) {
  const copy = async () =>
    announce((await copied(text)) ? `Copied ${text}` : `Copying is not allowed here: ${text}`);
  return el(
    "button",
    { type: "button", class: "button is-icon", "aria-label": label, title: label, on: { click: copy } },
    icon("copy"),
  );
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text);
  }
}

function copiedBySelection(text) {
  const field = el("textarea", { class: "unseen", readonly: true, "aria-hidden": "true", value: text });
  const focused = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isDone;
}

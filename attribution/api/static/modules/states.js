// What stands where data will be, is not, or could not be had; and the one-line messages after an action.

import { el } from "./element.js";

/** Grey lines in the place of data that is on its way. */
export function loading(lines = 4) {
  const bars = Array.from({ length: lines }, () => el("span", { class: "skeleton-line" }));
  return el("div", { class: "skeleton", role: "status", "aria-label": "Loading" }, bars);
}

/** Nothing there, and what to do about it. */
export function empty(title, hint = null, ...actions) {
  return el(
    "div",
    { class: "empty" },
    el("p", { class: "empty-title" }, title),
    hint && el("p", { class: "empty-hint" }, hint),
    actions.length > 0 && el("div", { class: "empty-actions" }, actions),
  );
}

/** What went wrong, in the API's words, and another try. */
export function failed(problem, retry = null) {
  const title =
    problem.status === 404 ? "Not found" : problem.status === 403 ? "Not allowed" : "That did not work";
  return el(
    "div",
    { class: "empty is-failed", role: "alert" },
    el("p", { class: "empty-title" }, title),
    el("p", { class: "empty-hint" }, problem.message),
    retry && el("button", { class: "button", type: "button", on: { click: retry } }, "Try again"),
  );
}

/** Fill a container from a promise: skeleton, then the built node or the failure with another try. */
export async function fill(container, load, build, lines = 4) {
  if (!container.hasChildNodes()) container.append(loading(lines));
  try {
    const built = build(await load());
    container.replaceChildren(built);
  } catch (error) {
    if (error.name === "AbortError") return;
    container.replaceChildren(failed(error, () => fill(container, load, build, lines)));
  }
}

/** Say something that happened, to eyes and to screen readers. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
  document.querySelector(".toast")?.remove();
  const toast = el("div", { class: "toast", "aria-hidden": "true" }, text);
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  setTimeout(() => toast.remove(), 3500);
}

// The way in: an API key, tried before it is kept.

import { tryKey } from "./api.js";
import { el } from "./element.js";
import { mark } from "./icons.js";
import { rememberKey } from "./session.js";

/** The page; `onSignedIn` is called with a key that works. `message` says why somebody is here again. */
export function signInPage(onSignedIn, message = null) {
  const key = el("input", {
    id: "key",
    name: "key",
    type: "password",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
    placeholder: "clk_…",
    "aria-describedby": "key-error",
  });
  const error = el("p", { id: "key-error", class: "field-error", role: "alert" }, message ?? "");
  const button = el("button", { class: "button is-strong", type: "submit" }, "Sign in");
  const form = el(
    "form",
    { class: "sign-in-form", novalidate: true, on: { submit: signIn } },
    el("input", { type: "text", autocomplete: "username", value: "api-key", hidden: true }),
    el("div", { class: "field" }, el("label", { for: "key" }, "API key"), key, error),
    button,
  );

  async function signIn(event) {
    event.preventDefault();
    const given = key.value.trim();
    if (!given) return refuse("Paste your key first.");
    button.disabled = true;
    try {
      await tryKey(given);
      rememberKey(given);
      onSignedIn();
    } catch (problem) {
      refuse(
        problem.status === 401 ? "This key does not work. Is it complete, and not revoked?" : problem.message,
      );
    } finally {
      button.disabled = false;
    }
  }

  function refuse(text) {
    error.textContent = text;
    key.setAttribute("aria-invalid", "true");
    key.focus();
  }

  return el(
    "main",
    { class: "sign-in" },
    el(
      "div",
      { class: "sign-in-card" },
      el("div", { class: "brand" }, mark(), el("span", {}, "Clickledger")),
      el("h1", {}, "Sign in"),
      el(
        "p",
        { class: "is-muted" },
        "With an API key. It stays in this tab and is forgotten when you close it.",
      ),
      form,
      el(
        "p",
        { class: "sign-in-hint" },
        "No key yet? The first start of ",
        el("code", {}, "clickledger up"),
        " prints one; ",
        el("code", {}, "clickledger keys create"),
        " makes more.",
      ),
    ),
  );
}

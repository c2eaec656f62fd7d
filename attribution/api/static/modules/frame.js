// What stands around every page: the mark, the ways to the pages, colour scheme and sign out.

import { elsewhere } from "./address.js";
import { el } from "./element.js";
import { icon, mark } from "./icons.js";
import { currentRole } from "./session.js";
import { currentTheme, nextTheme } from "./theme.js";

const PLACES = {
  overview: "Overview",
  links: "Links",
  attribution: "Attribution",
  conversions: "Conversions",
};
const THEME_ICONS = { system: "screen", light: "sun", dark: "moon" };

/** {node, main, show}: the frame, where pages go, and marking where one is. */
export function frame(onSignOut) {
  const nav = el("nav", { class: "nav", "aria-label": "Pages" });
  const main = el("main", { id: "main", tabindex: -1 });
  const skip = el("a", { class: "skip", href: "#main", on: { click: skipToMain } }, "Skip to content");
  const bar = el(
    "header",
    { class: "bar" },
    el("div", { class: "brand" }, mark(), el("span", {}, "Clickledger")),
    nav,
    el(
      "div",
      { class: "bar-end" },
      el("span", { class: "role", title: "What this key may see" }, currentRole()),
      themeButton(),
      el(
        "button",
        {
          type: "button",
          class: "button is-icon",
          "aria-label": "Sign out",
          title: "Sign out",
          on: { click: onSignOut },
        },
        icon("exit"),
      ),
    ),
  );

  function skipToMain(event) {
    event.preventDefault();
    main.focus();
  }

  function show(view) {
    nav.replaceChildren(...Object.entries(PLACES).map(([page, label]) => place(view, page, label)));
  }

  return { node: el("div", { class: "frame" }, skip, bar, main), main, show };
}

function place(view, page, label) {
  const isHere = view.page === page;
  return el(
    "a",
    {
      class: "nav-link",
      href: elsewhere(view, page),
      "aria-current": isHere ? (view.name === null ? "page" : "true") : null,
    },
    icon(page),
    el("span", {}, label),
  );
}

function themeButton() {
  const button = el("button", { type: "button", class: "button is-icon", on: { click: change } });
  dress();

  function change() {
    nextTheme();
    dress();
  }

  function dress() {
    const label = `Colour scheme: ${currentTheme()}. Change`;
    button.replaceChildren(icon(THEME_ICONS[currentTheme()]));
    button.setAttribute("aria-label", label);
    button.title = label;
  }

  return button;
}

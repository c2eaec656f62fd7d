// What stands around every page: the mark, the ways to the pages, colour scheme and sign out.

import { elsewhere } from "./address.js";
import { el } from "./element.js";
import { icon, mark } from "./icons.js";
import { currentRole } from "./session.js";
import { currentTheme, nextTheme } from "./theme.js";

const PLACES = {
  overview: { label: "Overview", pages: ["overview"] },
  links: { label: "Links", pages: ["links"] },
  partners: { label: "Partners", pages: ["partners", "campaigns"] },
  attribution: { label: "Attribution", pages: ["attribution"] },
  conversions: { label: "Conversions", pages: ["conversions"] },
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
    nav.replaceChildren(...places().map(([page, { label, pages }]) => place(view, page, label, pages)));
  }

  return { node: el("div", { class: "frame" }, skip, bar, main), main, show };
}

/** Who is a partner itself looks at campaigns. */
function places() {
  if (currentRole() !== "partner") return Object.entries(PLACES);
  const { partners, ...others } = PLACES;
  const [overview, links, ...rest] = Object.entries(others);
  return [overview, links, ["campaigns", { ...partners, label: "Campaigns" }], ...rest];
}

function place(view, page, label, pages) {
  const isHere = pages.includes(view.page);
  return el(
    "a",
    {
      class: "nav-link",
      href: elsewhere(view, page),
      "aria-current": isHere ? (view.name === null ? "page" : "true") : null,
    },
    icon(page === "campaigns" ? "partners" : page),
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

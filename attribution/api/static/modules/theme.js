// Light, dark, or as the system has it. The choice is kept in localStorage; early_theme.js reads it before the first
// paint. Who draws on a canvas listens for THEME_CHANGED.

/** Dispatched on window when colours changed. */
export const THEME_CHANGED = "clickledger:theme-changed";

const NAME = "clickledger.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

/** system, light or dark. */
export function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Go on to the next of the three, and return it. */
export function nextTheme() {
  const theme = NEXT[currentTheme()];
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(NAME, theme);
  } catch {
    // Storage is forbidden: the choice holds until the page is left.
  }
  announce();
  return theme;
}

/** A colour of the style sheet, as it is now. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function announce() {
  window.dispatchEvent(new CustomEvent(THEME_CHANGED));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

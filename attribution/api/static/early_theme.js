// Sets the chosen colour scheme before anything is painted; theme.js changes it later. A classic script, so that it
// runs before the styles arrive.
(() => {
  try {
    const chosen = localStorage.getItem("clickledger.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is forbidden: the system's scheme holds.
  }
})();

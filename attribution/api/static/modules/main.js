// Starts the dashboard and follows the address: signed in or not, which page, what it looks at. A page is opened anew
// for every address; the one before stays visible until the new one has its numbers.

import { changed, hashOf, readAddress } from "./address.js";
import { SIGNED_OUT } from "./api.js";
import { attributionPage } from "./attribution_page.js";
import { conversionPage } from "./conversion_page.js";
import { conversionsPage } from "./conversions_page.js";
import { swap } from "./element.js";
import { frame } from "./frame.js";
import { linkPage } from "./link_page.js";
import { linksPage } from "./links_page.js";
import { missingPage } from "./missing_page.js";
import { overviewPage } from "./overview.js";
import { DEFAULT_PRESET, periodOf } from "./period.js";
import { programmePage } from "./programme_page.js";
import { currentKey, forgetKey } from "./session.js";
import { signInPage } from "./sign_in.js";
import { campaignPage, partnerPage } from "./subject_page.js";

const PATIENCE_MS = 300;
const LISTS = {
  overview: overviewPage,
  links: linksPage,
  partners: programmePage,
  campaigns: programmePage,
  attribution: attributionPage,
  conversions: conversionsPage,
};
const THINGS = {
  links: linkPage,
  partners: partnerPage,
  campaigns: campaignPage,
  conversions: conversionPage,
};

const app = document.getElementById("app");
let shell = null;
let leave = new AbortController();
let shownPlace = null;

function showSignIn(message = null) {
  leave.abort();
  shell = null;
  shownPlace = null;
  document.title = "Sign in · Clickledger";
  app.replaceChildren(signInPage(follow, message));
  document.getElementById("key").focus();
}

function signOut(message = null) {
  forgetKey();
  showSignIn(message);
}

/** Show what the address says. */
async function follow() {
  if (currentKey() === null) return showSignIn();
  const view = completed(readAddress());
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  if (shell === null) {
    shell = frame(() => signOut());
    app.replaceChildren(shell.node);
  }
  shell.show(view);
  shell.main.setAttribute("aria-busy", "true");
  const page = pageOf(view)(view, periodOf(view), signal);
  entitle(page);
  // what a number is called is known only when its page has been read
  page.ready.then(() => !signal.aborted && entitle(page));
  if (shownPlace !== null) await Promise.race([page.ready, patience()]);
  if (!signal.aborted) put(view, page);
}

function entitle(page) {
  document.title = `${page.title} · Clickledger`;
}

/** The same address saying its period and zone, so that it means the same to whoever it is sent to. */
function completed(view) {
  const { zone } = periodOf(view);
  const isDated = view.query.has("period") || view.query.has("start");
  const hash = changed(view, { timezone: zone, ...(isDated ? {} : { period: DEFAULT_PRESET }) });
  if (hash !== location.hash) history.replaceState(null, "", hash);
  return readAddress(hash);
}

function pageOf(view) {
  const pages = view.name === null ? LISTS : THINGS;
  return Object.hasOwn(pages, view.page) ? pages[view.page] : missingPage;
}

function put(view, page) {
  const place = hashOf(view.page, view.name);
  swap(shell.main, page.node);
  shell.main.removeAttribute("aria-busy");
  if (shownPlace !== null && shownPlace !== place) {
    shell.main.querySelector("h1")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shownPlace = place;
}

function patience() {
  return new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
}

window.addEventListener("hashchange", follow);
window.addEventListener(SIGNED_OUT, () => signOut("This key does not work any more. Sign in again."));
follow();

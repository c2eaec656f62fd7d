// The API key of this tab. It lives in sessionStorage: gone with the tab, never sent anywhere but to our own API.

const NAME = "clickledger.key";
const ROLES = ["admin", "vendor", "partner"];

/** The key, or null when nobody is signed in. */
export function currentKey() {
  return sessionStorage.getItem(NAME);
}

/** Keep a key that worked. */
export function rememberKey(key) {
  sessionStorage.setItem(NAME, key);
}

/** Forget it. */
export function forgetKey() {
  sessionStorage.removeItem(NAME);
}

/** What the key's prefix says of its role: for labels and hints only, the API decides what may be seen. */
export function currentRole() {
  const named = /^clk_([a-z]+)_/.exec(currentKey() ?? "")?.[1];
  return ROLES.includes(named) ? named : "key";
}

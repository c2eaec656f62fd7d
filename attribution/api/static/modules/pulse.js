// Asks for the last clicks once a second while somebody looks, and tells when there are new ones. Backs off while the
// API is away or asks for patience.

import { get } from "./api.js";

const BEAT_MS = 1000;
const BEAT_MS_MAX = 30_000;

/** Call `onClicks(body)` with the first answer to `query` and each one that differs, `onProblem` on failures, until
 * `signal`. */
export async function watchClicks({ query, signal, onClicks, onProblem }) {
  let newest;
  let pauseMs = BEAT_MS;
  while (!signal.aborted) {
    if (!document.hidden) {
      try {
        const body = await get("/v1/clicks", query, signal);
        const first = body.clicks[0]?.click_id ?? null;
        if (first !== newest) onClicks(body);
        newest = first;
        pauseMs = BEAT_MS;
      } catch (error) {
        if (error.name === "AbortError" || error.status === 401) return;
        onProblem(error);
        newest = undefined;
        pauseMs = Math.min(pauseMs * 2, BEAT_MS_MAX);
      }
    }
    await rest(pauseMs, signal);
  }
}

function rest(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

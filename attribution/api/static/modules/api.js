// Speaks to the API with the session's key. Answers come back as parsed JSON; everything else is a Problem.

import { currentKey } from "./session.js";

const PAGE_ROWS = 1000;
const ROWS_MAX = 10_000;

/** Dispatched on window when a key stopped working. */
export const SIGNED_OUT = "clickledger:signed-out";

/** What the API refused, or why it could not be asked. `fields` maps a field's name to its message. */
export class Problem extends Error {
  constructor(status, detail, fields = {}) {
    super(detail);
    this.status = status;
    this.fields = fields;
  }

  /** The endpoint or the thing is not there. */
  get isMissing() {
    return this.status === 404;
  }
}

/** GET as JSON. `query` values may be lists; null ones are left out. */
export async function get(path, query = {}, signal = undefined) {
  const answer = await request("GET", path + queryText(query), { signal });
  return answer.json();
}

/** All rows of a list, page after page, up to 10,000. */
export async function getAll(path, name, signal = undefined) {
  const rows = [];
  let cursor = null;
  do {
    const body = await get(path, { limit: PAGE_ROWS, cursor }, signal);
    rows.push(...body[name]);
    cursor = body.next_cursor;
  } while (cursor !== null && rows.length < ROWS_MAX);
  return rows;
}

/** GET as text, for pictures that need the key. */
export async function getText(path, signal = undefined) {
  return (await request("GET", path, { signal })).text();
}

/** GET as JSON with its ETag, for an edit that must not overwrite somebody else's. */
export async function getTagged(path, signal = undefined) {
  const answer = await request("GET", path, { signal });
  return { body: await answer.json(), etag: answer.headers.get("etag") };
}

/** POST, PATCH or DELETE; null when the answer has no body. */
export async function send(method, path, body = undefined, headers = {}) {
  const answer = await request(method, path, {
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
  });
  return answer.status === 204 ? null : answer.json();
}

/** Whether this key works, without keeping it. */
export async function tryKey(key) {
  await request("GET", "/v1/links?limit=1", { key });
}

/** The path of a link: a code may contain "/". */
export function linkPath(code) {
  return `/v1/links/${code.split("/").map(encodeURIComponent).join("/")}`;
}

async function request(method, path, { signal, body, headers = {}, key = currentKey() }) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      body,
      signal,
      headers: { ...headers, Authorization: `Bearer ${key}` },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The API cannot be reached. Is it running?");
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  if (answer.status === 401 && key === currentKey()) window.dispatchEvent(new CustomEvent(SIGNED_OUT));
  throw problem;
}

async function problemOf(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // Not JSON, from something in between: the status says enough.
  }
  const errors = Array.isArray(body.errors) ? body.errors : [];
  const fields = Object.fromEntries(errors.map((error) => [error.field, error.message]));
  return new Problem(answer.status, body.detail ?? `The API answered ${answer.status}.`, fields);
}

function queryText(query) {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((item) => item !== null && item !== undefined)
      .map((item) => [name, String(item)]),
  );
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

// A link as the texts of a form, and those texts back as the fields the API takes. Pure but for reading the form.

import { instantOf, wallClock } from "./moments.js";

const URLS_AND_TEXTS = ["destination_url", "label", "fallback_url", "code"];
const MOMENTS = ["starts_at", "expires_at"];
const UTM = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];

/** The texts of a link's form; of a new link where null. */
export function writeLink(link, zone) {
  const forward = link?.forward_query ?? "append";
  const texts = {
    destination_url: link?.destination_url ?? "",
    label: link?.label ?? "",
    fallback_url: link?.fallback_url ?? "",
    max_clicks: link?.max_clicks === null || link === null ? "" : String(link.max_clicks),
    redirect_status: String(link?.redirect_status ?? 302),
    forward_query: Array.isArray(forward) ? "list" : forward,
    forward_names: Array.isArray(forward) ? forward.join(", ") : "",
    custom_params: Object.entries(link?.custom_params ?? {})
      .map((pair) => pair.join("="))
      .join("\n"),
    rules: link?.rules?.length ? JSON.stringify(link.rules, withoutEmpty, 2) : "",
    campaign_partner_id: "",
    code: "",
    other_utm: Object.fromEntries(
      Object.entries(link?.utm_params ?? {}).filter(([name]) => !UTM.includes(name)),
    ),
  };
  for (const name of MOMENTS) texts[name] = link?.[name] ? wallClock(Date.parse(link[name]), zone) : "";
  for (const name of UTM) texts[`utm_params.${name}`] = link?.utm_params?.[name] ?? "";
  return texts;
}

/** {values, faults}: what was changed as the API takes it, and what it need not even be asked. */
export function readLink(form, before, zone) {
  const now = Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, String(text).trim()]));
  const isChanged = (...names) =>
    names.some((name) => name in now && now[name] !== (before[name] ?? "").trim());
  const values = {};
  const faults = {};
  for (const name of URLS_AND_TEXTS) if (isChanged(name)) values[name] = now[name] || null;
  for (const name of MOMENTS)
    if (isChanged(name)) values[name] = now[name] ? new Date(instantOf(now[name], zone)).toISOString() : null;
  for (const name of ["max_clicks", "campaign_partner_id"])
    if (isChanged(name)) values[name] = wholeNumber(now[name]);
  if (isChanged("redirect_status")) values.redirect_status = Number(now.redirect_status);
  if (isChanged("forward_query", "forward_names")) values.forward_query = forwardOf(now);
  if (isChanged(...UTM.map((name) => `utm_params.${name}`)))
    values.utm_params = { ...before.other_utm, ...utmOf(now) };
  if (isChanged("custom_params")) values.custom_params = paramsOf(now.custom_params, faults);
  if (isChanged("rules")) values.rules = rulesOf(now.rules, faults);
  return { values, faults };
}

/** What is not a number goes to the API as it is: its message is better than a guess. */
function wholeNumber(text) {
  if (text === "") return null;
  return /^\d+$/.test(text) ? Number(text) : text;
}

function forwardOf(now) {
  if (now.forward_query !== "list") return now.forward_query;
  return now.forward_names
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
}

function utmOf(now) {
  return Object.fromEntries(UTM.map((name) => [name, now[`utm_params.${name}`]]).filter(([, text]) => text));
}

function paramsOf(text, faults) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const wrong = lines.find((line) => line.indexOf("=") < 1);
  if (wrong !== undefined) faults.custom_params = `“${wrong}” is not name=value`;
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

function rulesOf(text, faults) {
  if (text === "") return [];
  try {
    const rules = JSON.parse(text);
    if (!Array.isArray(rules)) faults.rules = "must be a list: [ … ]";
    return rules;
  } catch (error) {
    faults.rules = `is not JSON: ${error.message}`;
    return [];
  }
}

function withoutEmpty(_, value) {
  const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
  return isEmpty ? undefined : value;
}

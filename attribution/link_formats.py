"""Reads link lists of other shorteners. Pure: lines of text in, one `NewLink` or its faults per row out.

`links import` calls `rows_of` and `link_of`. The format is recognised by the names of the columns (or JSON keys), each
compared in lower case with every run of other characters as one `_`: `Long URL` and `long_url` are the same column.

| format | file | columns that count |
|---|---|---|
| own | CSV, NDJSON | `code`, `destination_url` and any field of the API; objects and lists as JSON text |
| bitly | CSV export, API `bitlinks` | `link`/`bitlink`/`short_link`, `custom_link`, `long_url`/`destination_url`, `title`, `archived` |
| yourls | CSV of the `url` table | `keyword`, `url`, `title` (`timestamp`, `ip`, `clicks` are left) |
| shlink | CSV of the web client, API | `shortCode`/`Short code`, `longUrl`/`Long URL`, `title`, `validSince`, `validUntil`, `maxVisits` |
| kutt | API `links` | `address`, `target`, `description`, `expire_in`, `banned` |
| dub | CSV export, API | `Short link`/`key`, `Destination URL`/`url`, `title`, `expiresAt`, `expiredUrl`, `archived`, `utm_*` |
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import ValidationError

from attribution.faults import Fault, faults_of
from attribution.link_fields import NewLink
from attribution.spreadsheets import as_written

FIELD_CHARS_MAX = 1_000_000
_OTHER = re.compile(r"[^a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBERS = ("max_clicks", "redirect_status", "campaign_partner_id", "vendor_id")
_OBJECTS = ("rules", "utm_params", "custom_params")
_UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_TRUE = ("true", "t", "1", "yes")
_FALSE = ("false", "f", "0", "no", "")

Row = Mapping[str, Any]


class NumberedRow(NamedTuple):
    """One record and the line it began on; a line that is no record has a fault instead."""

    line: int
    row: Row
    fault: str | None = None


class UnknownFormat(Exception):
    """Neither columns nor keys are those of a known format."""


def rows_of(lines: Iterable[str], *, is_csv: bool) -> Iterator[NumberedRow]:
    """The records of a file, streaming."""
    yield from _csv_rows(lines) if is_csv else _json_rows(lines)


def _csv_rows(lines: Iterable[str]) -> Iterator[NumberedRow]:
    csv.field_size_limit(FIELD_CHARS_MAX)
    reader = csv.reader(line.replace("\x00", "\ufffd") for line in lines)
    names: list[str] | None = None
    try:
        for values in reader:
            if not any(values):
                continue
            if names is None:
                names = [column_name(value.removeprefix("\ufeff")) for value in values]
            elif len(values) > len(names):
                yield NumberedRow(reader.line_num, {}, f"has {len(values)} fields under {len(names)} columns")
            else:
                yield NumberedRow(reader.line_num, dict(zip(names, map(as_written, values), strict=False)))
    except csv.Error as error:
        yield NumberedRow(reader.line_num, {}, f"is not CSV: {error}")


def _json_rows(lines: Iterable[str]) -> Iterator[NumberedRow]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield NumberedRow(number, {}, f"is not JSON: {error}")
            continue
        if isinstance(record, dict):
            yield NumberedRow(number, {column_name(name): value for name, value in record.items()})
        else:
            yield NumberedRow(number, {}, "is not a JSON object")


def column_name(text: str) -> str:
    """A column's name in the one form it is compared in: `Long URL`, `longUrl` and `long_url` are `long_url`."""
    return _OTHER.sub("_", _HUMP.sub("_", text.strip()).lower()).strip("_")


def recognise(columns: Iterable[str]) -> str:
    """The format with these columns. Raises UnknownFormat."""
    names = set(columns)
    if {"code", "destination_url"} <= names or {"code", "campaign_partner_id"} <= names:
        return "own"
    if "keyword" in names and "url" in names:
        return "yourls"
    if "address" in names and "target" in names:
        return "kutt"
    if {"short_code", "long_url"} <= names:
        return "shlink"
    if ("key" in names and "url" in names) or ("short_link" in names and {"url", "destination_url"} & names):
        return "dub"
    if {"link", "url"} <= names:
        return "dub"
    if {"link", "bitlink", "short_link", "custom_link"} & names and {"long_url", "destination_url"} & names:
        return "bitly"
    raise UnknownFormat(
        "The columns are none of: own (code, destination_url), Bitly (link, long_url), YOURLS (keyword, url), "
        "Shlink (shortCode, longUrl), Kutt (address, target), Dub (key, url)."
    )


def link_of(row: Row, format_name: str) -> NewLink | list[Fault]:
    """The link in a record, or what is wrong with it."""
    try:
        given = {name: value for name, value in FORMATS[format_name](row).items() if value not in (None, "")}
        link = NewLink.model_validate(given)
    except ValidationError as error:
        return faults_of(error)
    except ValueError as error:
        return [Fault("row", str(error))]
    return (
        link
        if link.code is not None
        else [Fault("code", "is needed, or a second import would double the link")]
    )


def _own(row: Row) -> dict[str, Any]:
    known = {name: row[name] for name in NewLink.model_fields if name in row}
    for name, value in known.items():
        if isinstance(value, str) and value:
            known[name] = _typed(name, value)
    return known


def _typed(name: str, text: str) -> Any:
    """A CSV field as the value its column has in JSON."""
    if name in _NUMBERS:
        return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else text
    if name == "is_disabled":
        return _flag(text)
    if name in _OBJECTS or (name == "forward_query" and text.startswith("[")):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _flag(value: Any) -> Any:
    """A boolean from what a CSV writes for one; anything else is left for validation to refuse."""
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    return False if text in _FALSE else value


def _bitly(row: Row) -> dict[str, Any]:
    custom = row.get("custom_link") or row.get("custom_bitlinks")
    if isinstance(custom, list):
        custom = custom[0] if custom else None
    short = custom or row.get("link") or row.get("bitlink") or row.get("short_link") or row.get("id")
    return {
        "code": _code_in(short),
        "destination_url": row.get("long_url") or row.get("destination_url"),
        "label": _label(row.get("title")),
    }


def _yourls(row: Row) -> dict[str, Any]:
    return {"code": row.get("keyword"), "destination_url": row.get("url"), "label": _label(row.get("title"))}


def _shlink(row: Row) -> dict[str, Any]:
    meta = row.get("meta")
    terms = {column_name(name): value for name, value in meta.items()} if isinstance(meta, dict) else row
    visits = terms.get("max_visits")
    return {
        "code": row.get("short_code"),
        "destination_url": row.get("long_url"),
        "label": _label(row.get("title")),
        "starts_at": terms.get("valid_since"),
        "expires_at": terms.get("valid_until"),
        "max_clicks": _typed("max_clicks", visits) if isinstance(visits, str) else visits,
    }


def _kutt(row: Row) -> dict[str, Any]:
    return {
        "code": row.get("address"),
        "destination_url": row.get("target"),
        "label": _label(row.get("description")),
        "expires_at": row.get("expire_in"),
        "is_disabled": _flag(row.get("banned") or False),
    }


def _dub(row: Row) -> dict[str, Any]:
    return {
        "code": row.get("key") or _code_in(row.get("short_link") or row.get("link")),
        "destination_url": row.get("url") or row.get("destination_url"),
        "label": _label(row.get("title")),
        "expires_at": row.get("expires_at"),
        "fallback_url": row.get("expired_url"),
        "is_disabled": _flag(row.get("archived") or False),
        "utm_params": {name: row[name] for name in _UTM if row.get(name)},
    }


def _label(value: Any) -> Any:
    """A foreign title cut to our length; losing its end is better than losing the link."""
    return value[:255] if isinstance(value, str) else value


def _code_in(short_link: Any) -> str | None:
    """The code in a whole short link (`https://bit.ly/abc`, `bit.ly/abc`)."""
    if not isinstance(short_link, str) or not short_link:
        return None
    parts = urlsplit(short_link if "://" in short_link else "https://" + short_link)
    return unquote(parts.path).strip("/") or None


FORMATS = {"own": _own, "bitly": _bitly, "yourls": _yourls, "shlink": _shlink, "kutt": _kutt, "dub": _dub}

"""Makes, reads, edits and disables links for the API, the import and `apply`.

Comes in: a validated `NewLink` or `LinkChanges` and who asks. Goes out: rows of `partner_links` with `full_url` and
rule destinations composed, so that the door only has to fill in the click. A trigger tells the publisher.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson

from attribution.audit import difference, log_action
from attribution.faults import Conflict, Fault, Forbidden, NotFound, Refused
from attribution.keys import SQL as KEYS
from attribution.keys import Caller
from attribution.link_codes import candidate_codes
from attribution.link_etags import check_unchanged
from attribution.link_fields import LinkChanges, NewLink, Policy, field_faults
from attribution.link_rows import JSON_COLUMNS, change_values, insert_values, json_text, link_body, link_row
from schema.queries import load_queries

SQL = load_queries("attribution", "links.sql")

TABLE = "partner_links"


async def create_link(
    connection: asyncpg.Connection, policy: Policy, caller: Caller, new: NewLink
) -> dict[str, Any]:
    """Make one link and return it as `link_body` shows it.

    Raises Refused naming each bad field, Conflict when the code is taken, Forbidden when the caller may not.
    """
    owner_id = _owner_of(caller, new)
    faults = field_faults(new, policy)
    enrolment_id, terms = await _terms_of(connection, caller, new, faults)
    if faults:
        raise Refused(faults)
    row = link_row(new, new.destination_url or terms)
    row["vendor_id"] = owner_id
    row["campaign_partner_id"] = enrolment_id
    code, link_id = await _insert(connection, policy, new.code, row)
    await log_action(connection, caller, "create", TABLE, [link_id], {"after": row | {"short_code": code}})
    return await get_link(connection, policy, code)


async def _terms_of(
    connection: asyncpg.Connection, caller: Caller, new: NewLink, faults: list[Fault]
) -> tuple[int | None, str]:
    """The enrolment in force and its destination; what stands in the way of the link is added to `faults`."""
    if new.campaign_partner_id is None:
        if caller.role == "partner":
            raise Forbidden("A partner's link needs a campaign_partner_id: an approved enrolment.")
        if new.destination_url is None:
            faults.append(Fault("destination_url", "is needed, or a campaign_partner_id"))
        if new.vendor_id is not None and not await connection.fetchval(KEYS["vendor_exists"], new.vendor_id):
            faults.append(Fault("vendor_id", "names no vendor"))
        return None, ""
    rows = await connection.fetch(SQL["enrolments_by_ids"], [new.campaign_partner_id])
    enrolment = dict(rows[0]) if rows else None
    faults += enrolment_faults(enrolment, new, caller)
    if enrolment is None:
        return None, ""
    return enrolment["current_id"], enrolment["terms_destination"]


def enrolment_faults(enrolment: Mapping[str, Any] | None, new: NewLink, caller: Caller) -> list[Fault]:
    """Why this enrolment may not have this link: partner active and enrolment approved is the rule."""
    if enrolment is None or enrolment["is_deleted"]:
        return [Fault("campaign_partner_id", "names no enrolment")]
    faults = []
    if enrolment["enrolment_status"] != "approved":
        faults.append(Fault("campaign_partner_id", f"is {enrolment['enrolment_status']}, not approved"))
    if enrolment["partner_status"] != "active":
        faults.append(Fault("campaign_partner_id", f"belongs to a {enrolment['partner_status']} partner"))
    if new.vendor_id is not None:
        faults.append(Fault("vendor_id", "goes with plain links only"))
    return faults + host_faults(caller, new, str(enrolment["terms_destination"]))


def host_faults(caller: Caller, link: LinkChanges, terms_destination: str) -> list[Fault]:
    """A partner may deep-link into the vendor's site, not send the vendor's short link somewhere else."""
    if caller.role != "partner":
        return []
    home = _host(terms_destination)
    given = [("destination_url", link.destination_url), ("fallback_url", link.fallback_url)]
    for index, rule in enumerate(link.rules):
        given.append((f"rules.{index}.to", rule.to))
        given += [(f"rules.{index}.split.{place}.to", way.to) for place, way in enumerate(rule.split or [])]
    return [
        Fault(field, f"must stay on the campaign's host {home}")
        for field, url in given
        if url is not None and _host(url) != home and not _host(url).endswith("." + home)
    ]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _owner_of(caller: Caller, new: NewLink) -> int | None:
    """The vendor a plain link belongs to."""
    if new.campaign_partner_id is not None:
        return None
    if caller.role == "vendor":
        if new.vendor_id not in (None, caller.vendor_id):
            raise Forbidden("A vendor makes links of its own only.")
        return caller.vendor_id
    return new.vendor_id


async def _insert(
    connection: asyncpg.Connection, policy: Policy, code: str | None, row: dict[str, Any]
) -> tuple[str, int]:
    """Insert under the wanted code, or under the first made-up one that is free."""
    wanted = (
        [policy.normal(code)]
        if code is not None
        else candidate_codes(is_case_sensitive=policy.is_case_sensitive)
    )
    for candidate in wanted:
        link_id = await connection.fetchval(SQL["add_link"], candidate, *insert_values(row))
        if link_id is not None:
            return candidate, link_id
    raise Conflict(
        [Fault("code", "is taken" if code is not None else "could not be made up: all tries were taken")]
    )


async def get_link(connection: asyncpg.Connection, policy: Policy, code: str) -> dict[str, Any]:
    """One link. Raises NotFound."""
    return link_body(await _row_of(connection, policy, code), policy)


async def find_link(connection: asyncpg.Connection, policy: Policy, code: str) -> asyncpg.Record | None:
    """The row of a live link, or None."""
    if "\x00" in code:  # which PostgreSQL cannot even compare
        return None
    return await connection.fetchrow(SQL["link_by_code"], policy.normal(code))


async def _row_of(connection: asyncpg.Connection, policy: Policy, code: str) -> dict[str, Any]:
    row = await find_link(connection, policy, code)
    if row is None:
        raise NotFound(f"There is no link {code}.")
    return dict(row)


async def _lock(connection: asyncpg.Connection, policy: Policy, code: str) -> int:
    """Hold a link until the end of the transaction; its number. Raises NotFound."""
    link_id = None if "\x00" in code else await connection.fetchval(SQL["lock_link"], policy.normal(code))
    if link_id is None:
        raise NotFound(f"There is no link {code}.")
    return int(link_id)


async def list_links(
    connection: asyncpg.Connection,
    policy: Policy,
    after: int,
    limit: int,
) -> list[dict[str, Any]]:
    """All links behind `after` in the order they were made."""
    rows = await connection.fetch(SQL["list_links"], after, limit)
    return [link_body(dict(row), policy) for row in rows]


async def edit_link(
    connection: asyncpg.Connection,
    policy: Policy,
    caller: Caller,
    code: str,
    changes: LinkChanges,
    if_match: str | None = None,
) -> dict[str, Any]:
    """Change the given fields of a link and keep the others. Raises NotFound, Refused, or Outdated by `if_match`."""
    await _lock(connection, policy, code)
    before = await _row_of(connection, policy, code)
    check_unchanged(link_body(before, policy), if_match)
    kept = {
        name: value for name, value in link_body(before, policy).items() if name in LinkChanges.model_fields
    }
    merged = LinkChanges.model_validate(kept)
    for name in changes.model_fields_set:
        setattr(merged, name, getattr(changes, name))
    faults = field_faults(merged, policy)
    destination = merged.destination_url or before["terms_destination"]
    if destination is None:
        faults.append(Fault("destination_url", "cannot be taken from a link without a campaign"))
    elif before["terms_destination"] is not None:
        faults += host_faults(caller, changes, before["terms_destination"])
    if faults:
        raise Refused(faults)
    await write_changes(connection, caller, before, merged, str(destination))
    return await get_link(connection, policy, code)


async def write_changes(
    connection: asyncpg.Connection,
    caller: Caller,
    before: Mapping[str, Any],
    link: LinkChanges,
    destination: str,
) -> bool:
    """Write what differs and log it; False when nothing does."""
    row = link_row(link, destination)
    for name in ("campaign_partner_id", "vendor_id"):
        row.pop(name)
    stored = {name: before[name] for name in row}
    for name in ("rules", *JSON_COLUMNS):  # PostgreSQL prints JSON its own way: compare values, not texts
        stored[name] = json_text(orjson.loads(before[name]) if before[name] is not None else {})
        row[name] = json_text(orjson.loads(row[name]))
    changed = difference(stored, row)
    if changed:
        await connection.execute(SQL["change_link"], before["partner_link_id"], *change_values(row))
        await log_action(connection, caller, "update", TABLE, [before["partner_link_id"]], changed)
    return bool(changed)


async def delete_link(
    connection: asyncpg.Connection, policy: Policy, caller: Caller, code: str, if_match: str | None = None
) -> None:
    """Delete a link softly: the door answers 410, its clicks stay, its code is never given out again."""
    link_id = await _lock(connection, policy, code)
    if if_match is not None:
        check_unchanged(await get_link(connection, policy, code), if_match)
    await connection.execute(SQL["delete_link"], link_id)
    await log_action(connection, caller, "delete", TABLE, [link_id])

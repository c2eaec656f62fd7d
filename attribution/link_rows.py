"""Links as rows of `partner_links` and as bodies of the API, and the way from one to the other. Pure.

`full_url` and the destinations of rules are composed here, when a link is saved, so that the door only has to fill
in the click.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from attribution.link_fields import LinkChanges, Policy, Rule
from schema.links import short_url
from schema.urls import compose_full_url

_UTM_ORDER = {"utm_source": 0, "utm_medium": 1, "utm_campaign": 2, "utm_term": 3, "utm_content": 4}
_PLAIN_COLUMNS = (
    "campaign_partner_id", "vendor_id", "destination_url", "starts_at", "expires_at", "max_clicks",
    "fallback_url", "redirect_status", "is_disabled",
)  # fmt: skip
JSON_COLUMNS = ("utm_params", "custom_params", "forward_query")


def link_row(link: LinkChanges, destination: str) -> dict[str, Any]:
    """The columns of a link, tracking parameters composed into its destinations."""
    parameters = _in_order(link.utm_params), _in_order(link.custom_params)
    row: dict[str, Any] = {name: getattr(link, name, None) for name in _PLAIN_COLUMNS}
    row["link_label"] = link.label
    row["full_url"] = compose_full_url(destination, *parameters)
    row["rules"] = json_text([_stored_rule(rule, *parameters) for rule in link.rules])
    row |= {name: json_text(getattr(link, name)) for name in JSON_COLUMNS}
    return row


def compose_for(destination: str, utm_params: dict[str, str], custom_params: dict[str, str]) -> str:
    """The `full_url` of a link with these parameters."""
    return compose_full_url(destination, _in_order(utm_params), _in_order(custom_params))


def _in_order(parameters: dict[str, str]) -> dict[str, str]:
    """Parameters in a lasting order: jsonb keeps none, and an edit must not shuffle a destination."""
    return dict(sorted(parameters.items(), key=lambda item: (_UTM_ORDER.get(item[0], 9), item[0])))


def _stored_rule(rule: Rule, *parameters: dict[str, str]) -> dict[str, Any]:
    """A rule as the door reads it; `given` keeps what its author wrote, for the next edit."""
    stored = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    stored.setdefault("when", {})
    for way in [stored, *stored.get("split", [])]:
        if "to" in way:
            way["given"] = way["to"]
            way["to"] = compose_full_url(way["given"], *parameters)
    return stored


def given_rules(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stored rules as their author wrote them."""

    def given(way: dict[str, Any]) -> dict[str, Any]:
        return {
            name: way.get("given", value) if name == "to" else value
            for name, value in way.items()
            if name != "given"
        }

    return [
        given(rule) | ({"split": [given(way) for way in rule["split"]]} if "split" in rule else {})
        for rule in stored
    ]


def insert_values(row: dict[str, Any]) -> tuple[Any, ...]:
    """The parameters of `add_link` after the code."""
    return (row["campaign_partner_id"], row["vendor_id"], *change_values(row))


def change_values(row: dict[str, Any]) -> tuple[Any, ...]:
    """The parameters of `change_link` after the id."""
    names = (
        "destination_url", "full_url", "link_label", "rules", "utm_params", "custom_params", "forward_query",
        "starts_at", "expires_at", "max_clicks", "fallback_url", "redirect_status", "is_disabled",
    )  # fmt: skip
    return tuple(row[name] for name in names)


def link_body(row: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """A link as the API shows it and the export writes it."""
    body = {
        "link_id": row["partner_link_id"],
        "code": row["short_code"],
        "short_url": short_url(policy.door_url, row["short_code"]),
        "full_url": row["full_url"],
        "label": row["link_label"],
        "rules": given_rules(orjson.loads(row["rules"])),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
    body |= {name: row[name] for name in _PLAIN_COLUMNS}
    body |= {name: orjson.loads(row[name]) if row[name] is not None else {} for name in JSON_COLUMNS}
    return body


def json_text(value: Any) -> str:
    """JSON in one lasting form, so that texts can be compared."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

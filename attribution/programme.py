"""A programme as code: the YAML of `clickledger apply`, parsed and checked without touching a database.

`read_programme` takes the text and returns a `Programme` or raises Refused naming each wrong field by its path
(`vendors[0].campaigns[1].commission.value`).
"""

from __future__ import annotations

import yaml
from pydantic import ValidationError

from attribution.faults import Fault, Refused
from attribution.link_fields import Policy, field_faults
from attribution.programme_fields import Override, Programme, listed_overrides
from schema.urls import destination_fault

PROGRAMME_CHARS_MAX = 20_000_000


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves decimals and dates as the text they are."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_programme(text: str) -> Programme:
    """The programme in a YAML text. Raises Refused with every fault found."""
    if len(text) > PROGRAMME_CHARS_MAX:
        raise Refused([Fault("file", f"is longer than {PROGRAMME_CHARS_MAX} characters")])
    try:
        data = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Refused([Fault("file", f"is not YAML: {error}")]) from error
    if not isinstance(data, dict):
        raise Refused([Fault("file", "must be a mapping with the key vendors")])
    try:
        programme = Programme.model_validate(data)
    except ValidationError as error:
        raise Refused(_faults(error)) from error
    faults = list(_doubled(programme))
    if faults:
        raise Refused(faults)
    return programme


def _faults(error: ValidationError) -> list[Fault]:
    return [
        Fault(_path(entry["loc"]), str(entry["msg"]).removeprefix("Value error, "))
        for entry in error.errors(include_input=False)
    ]


def _path(location: tuple[int | str, ...]) -> str:
    """`vendors[0].campaigns[1].commission.value`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "file"


def deployment_faults(programme: Programme, policy: Policy) -> list[Fault]:
    """What this deployment refuses: schemes of destinations, codes, permanent redirects."""
    faults = []
    for v, vendor in enumerate(programme.vendors):
        for c, campaign in enumerate(vendor.campaigns):
            path = f"vendors[{v}].campaigns[{c}]"
            wrong = destination_fault(campaign.destination_url, policy.allowed_schemes)
            if wrong is not None:
                faults.append(Fault(f"{path}.destination_url", wrong))
            for p, partner in enumerate(campaign.partners):
                for n, link in enumerate(partner.links):
                    here = f"{path}.partners[{p}].links[{n}]"
                    faults += [
                        Fault(f"{here}.{fault.field}", fault.message) for fault in field_faults(link, policy)
                    ]
    return faults


def _doubled(programme: Programme) -> list[Fault]:
    """Things named twice, of which only the last would have counted."""
    faults = _twice("vendors", "email", [vendor.email for vendor in programme.vendors])
    codes: list[tuple[str, str | None]] = []
    described: dict[str, dict[str, str]] = {}
    for v, vendor in enumerate(programme.vendors):
        place = f"vendors[{v}].campaigns"
        faults += _twice(place, "name", [campaign.name for campaign in vendor.campaigns])
        for c, campaign in enumerate(vendor.campaigns):
            here = f"{place}[{c}]"
            faults += _twice(f"{here}.rules", "name", [rule.name for rule in campaign.rules or []])
            faults += _twice(f"{here}.partners", "email", [partner.email for partner in campaign.partners])
            for p, partner in enumerate(campaign.partners):
                said = described.setdefault(partner.email.lower(), {})
                given = {
                    name: getattr(partner, name)
                    for name in ("name", "tier")
                    if name in partner.model_fields_set
                }
                if any(said.setdefault(name, value) != value for name, value in given.items()):
                    faults.append(
                        Fault(f"{here}.partners[{p}]", f"{partner.email} has another name or tier above")
                    )
                faults += _overlapping(f"{here}.partners[{p}]", listed_overrides(partner))
                codes += [
                    (f"{here}.partners[{p}].links[{n}]", link.code) for n, link in enumerate(partner.links)
                ]
    seen: set[str | None] = set()
    for path, code in codes:
        if code in seen:
            faults.append(Fault(f"{path}.code", f"{code} stands in this file twice"))
        seen.add(code)
    return faults


def _overlapping(path: str, listed: list[tuple[str, Override]]) -> list[Fault]:
    """Rates for the same events at the same time: requirement 19."""
    return [
        Fault(f"{path}.{place}", "is for the same events at the same time as one above")
        for at, (place, one) in enumerate(listed)
        for _, other in listed[:at]
        if one.event == other.event
        and (one.valid_until is None or other.valid_from is None or other.valid_from < one.valid_until)
        and (other.valid_until is None or one.valid_from is None or one.valid_from < other.valid_until)
    ]


def _twice(place: str, field: str, values: list[str]) -> list[Fault]:
    lowered = [value.lower() for value in values]
    return [
        Fault(f"{place}[{index}].{field}", f"{value} stands here twice")
        for index, value in enumerate(values)
        if value.lower() in lowered[:index]
    ]

"""The programme file: what is accepted, and what is refused with the path of the wrong field."""

from __future__ import annotations

from decimal import Decimal

import pytest

from attribution.faults import Refused
from attribution.link_fields import Policy
from attribution.programme import deployment_faults, read_programme

MINIMAL = """
vendors:
  - email: v@x.example
    name: V
    campaigns:
      - name: C
        destination_url: https://x.example/
        commission: {type: percentage, value: 10.10}
        COMMISSION: 0
        partners:
          - {email: p@x.example, name: P, links: [{code: a}]}
""".replace("        COMMISSION: 0\n", "")
POLICY = Policy(frozenset({"https"}), True, "http://go.example")


def faults_of(text: str) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        read_programme(text)
    return {fault.field: fault.message for fault in refused.value.faults}


def test_numbers_are_decimals_not_floats() -> None:
    commission = read_programme(MINIMAL).vendors[0].campaigns[0].commission
    assert commission.value == Decimal("10.10")


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("vendors:", "vendor:", "vendors"),
        ("v@x.example", "nobody", "vendors[0].email"),
        ("percentage", "percent", "vendors[0].campaigns[0].commission.type"),
        ("value: 10.10", "value: 100.01", "vendors[0].campaigns[0].commission"),
        ("value: 10.10", "value: -1", "vendors[0].campaigns[0].commission.value"),
        ("value: 10.10", "value: 1.00001", "vendors[0].campaigns[0].commission.value"),
        ("value: 10.10", "value: .nan", "vendors[0].campaigns[0].commission.value"),
        ("value: 10.10", "value: 1e1", "vendors[0].campaigns[0].commission.value"),
        (", value: 10.10", "", "vendors[0].campaigns[0].commission"),
        ("{type: percentage, value: 10.10}", "{type: tiered}", "vendors[0].campaigns[0].commission"),
        ("destination_url", "destination", "vendors[0].campaigns[0].destination_url"),
        ("links: [{code: a}]", "links: [{label: a}]", "vendors[0].campaigns[0].partners[0].links[0]"),
        ("links: [{code: a}]", "links: [{code: a}, {code: a}]", "vendors[0].campaigns[0].partners[0].links[1].code"),
        ("name: P,", "name: P, tier: diamond,", "vendors[0].campaigns[0].partners[0].tier"),
        ("name: P,", "name: P, override: {type: percentage, value: 101},", "vendors[0].campaigns[0].partners[0].override"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_by_its_path(old: str, new: str, path: str) -> None:
    assert path in faults_of(MINIMAL.replace(old, new))


def with_rule(rule: str) -> str:
    return MINIMAL.replace("        partners:", f"        rules: [{rule}]\n        partners:")


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("{name: R, conditions: {weekday: 1}, actions: {bonus_flat: 1}}", "conditions.weekday"),
        ("{name: R, actions: {give_car: 1}}", "actions.give_car"),
        ("{name: R, actions: {}}", "actions"),
        ("{name: R, actions: {commission_type: flat}}", "actions"),
        ("{name: R, actions: {commission_type: percentage, commission_value: 101}}", "actions"),
        ("{name: R, conditions: {partner_tiers: [wood]}, actions: {bonus_flat: 1}}", "conditions.partner_tiers[0]"),
        ("{name: R, conditions: {is_first_purchase: 1}, actions: {bonus_flat: 1}}", "conditions.is_first_purchase"),
        ("{name: R, conditions: {date_range: {start: soon}}, actions: {bonus_flat: 1}}", "conditions.date_range.start"),
        ("{name: R, actions: {bonus_flat: 1}, valid_from: 2024-01-01}", "valid_from"),
    ],
)  # fmt: skip
def test_r22_an_unknown_condition_or_action_makes_a_rule_invalid(rule: str, field: str) -> None:
    assert f"vendors[0].campaigns[0].rules[0].{field}" in faults_of(with_rule(rule))


def test_r23_r24_the_rules_of_the_dictionary_are_accepted() -> None:
    for rule in (
        "{name: A, conditions: {date_range: {start: '2024-12-01', end: '2024-12-31'}, min_event_value: 100},"
        " actions: {commission_multiplier: 1.5, bonus_flat: 10}}",
        "{name: B, conditions: {customer_lifetime_value_min: 1000, event_types: [sale, subscription]},"
        " actions: {commission_type: percentage, commission_value: 15}}",
        "{name: C, conditions: {is_first_purchase: true, partner_tiers: [gold, platinum]}, actions: {bonus_flat: 25}}",
    ):
        assert read_programme(with_rule(rule)).vendors[0].campaigns[0].rules


@pytest.mark.parametrize(
    ("tiers", "complaint"),
    [
        ("[{label: A, min: 0, max: 2000, value: 1}, {label: B, min: 1000, value: 2}]", "overlap"),
        ("[{label: A, min: 0, max: 500, value: 1}, {label: B, min: 1000, value: 2}]", "gap"),
        ("[{label: A, min: 10, value: 1}]", "begin at 0"),
        ("[{label: A, min: 0, value: 1}, {label: B, min: 0, value: 2}]", "above"),
    ],
)
def test_r11_tiers_neither_overlap_nor_leave_a_gap(tiers: str, complaint: str) -> None:
    text = MINIMAL.replace("{type: percentage, value: 10.10}", f"{{type: tiered, tiers: {tiers}}}")
    assert complaint in "".join(faults_of(text).values())


def test_r10_tiered_without_tiers_is_refused() -> None:
    text = MINIMAL.replace("{type: percentage, value: 10.10}", "{type: tiered}")
    assert faults_of(text) == {"vendors[0].campaigns[0].commission": "tiers are needed for type tiered"}


def test_r20_rates_of_partner_tiers_stand_in_for_a_value() -> None:
    gold = "partner_tiers: {gold: {type: percentage, value: 12}}"
    text = MINIMAL.replace("value: 10.10}", f"value: 10.10, {gold}}}")
    assert read_programme(text).vendors[0].campaigns[0].commission.partner_tiers["gold"].value == 12
    tiered = MINIMAL.replace(
        "{type: percentage, value: 10.10}",
        f"{{type: tiered, tiers: [{{label: A, min: 0, value: 1}}], {gold}}}",
    )
    assert "type tiered has none" in "".join(faults_of(tiered).values())
    assert any("partner_tiers" in field for field in faults_of(text.replace("gold", "tin")))


def with_overrides(*overrides: str) -> str:
    return MINIMAL.replace("name: P,", f"name: P, overrides: [{', '.join(overrides)}],")


EARLY = "{type: flat, value: 1, valid_until: '2026-03-01T00:00:00Z'}"
LATE = "{type: flat, value: 2, valid_from: '2026-03-01T00:00:00Z'}"


def test_r19_rates_of_one_partner_follow_one_another() -> None:
    partner = read_programme(with_overrides(EARLY, LATE)).vendors[0].campaigns[0].partners[0]
    assert [override.value for override in partner.overrides] == [1, 2]
    for clashing in (LATE, "{type: flat, value: 3}", EARLY.replace("03-01", "03-02")):
        faults = faults_of(with_overrides(LATE, clashing))
        assert faults == {
            "vendors[0].campaigns[0].partners[0].overrides[1]": "is for the same events at the same time as one above"
        }


@pytest.mark.parametrize(
    "validity",
    [
        "valid_from: '2026-03-01T00:00:00Z', valid_until: '2026-03-01T00:00:00Z'",
        "valid_from: '2026-03-01T01:00:00+01:00', valid_until: '2026-02-28T23:59:59Z'",
    ],
)
def test_r17_a_validity_ends_after_it_begins(validity: str) -> None:
    override = with_overrides(f"{{type: flat, value: 1, {validity}}}")
    rule = with_rule(f"{{name: R, actions: {{bonus_flat: 1}}, {validity}}}")
    for text in (override, rule):
        assert "valid_until must lie after valid_from" in faults_of(text).values()


@pytest.mark.parametrize(
    ("term", "field"),
    [
        ("rebill_months_max: -1", "rebill_months_max"),
        ("rebill_months_max: 1.5", "rebill_months_max"),
        ("is_upgrade_reattributed: 1", "is_upgrade_reattributed"),
        ("is_pending_counted: maybe", "is_pending_counted"),
        ("is_held_after_end: 0", "is_held_after_end"),
    ],
)
def test_a_term_of_the_wrong_kind_is_named(term: str, field: str) -> None:
    text = MINIMAL.replace("        partners:", f"        {term}\n        partners:")
    assert f"vendors[0].campaigns[0].{field}" in faults_of(text)


@pytest.mark.parametrize(
    "text", ["", "5", "[1]", "vendors: 5", "{", "a: &a [*a]", "vendors: !!python/object:os.x {}"]
)
def test_what_is_no_programme_is_refused(text: str) -> None:
    assert faults_of(text)


def test_what_the_deployment_forbids_is_named() -> None:
    text = MINIMAL.replace("https://x.example/", "http://x.example/").replace(
        "{code: a}", "{code: '-/a', destination_url: 'javascript:x', redirect_status: 301}"
    )
    fields = {fault.field for fault in deployment_faults(read_programme(text), POLICY)}
    link = "vendors[0].campaigns[0].partners[0].links[0]"
    assert fields == {
        "vendors[0].campaigns[0].destination_url",
        f"{link}.code",
        f"{link}.destination_url",
        f"{link}.redirect_status",
    }


def test_a_partner_described_in_two_ways_is_refused() -> None:
    second = (
        MINIMAL[MINIMAL.index("      - name: C") :]
        .replace("name: C", "name: D")
        .replace("name: P", "name: Q")
    )
    assert "another name or tier" in "".join(
        faults_of(MINIMAL + second.replace("code: a", "code: b")).values()
    )

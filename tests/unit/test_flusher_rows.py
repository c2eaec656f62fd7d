"""Steps that read an event, and the row it becomes: nothing PostgreSQL would refuse ever gets there."""

from __future__ import annotations

import ipaddress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusher.draft import Draft
from flusher.enrich import STEPS, Drafts, Sources, enrich, stored_address
from flusher.rows import AHEAD_MS_MAX, COLUMNS, OLDEST_MS, fault_of, row_of
from flusher.texts import host_of, parameters_of
from flusher.visitors import DAY_MS, visitor_bytes, visitor_hash
from schema.countries import Countries
from schema.events import ClickEvent

NOW = 1_763_600_000_000
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
EVENT = ClickEvent(
    NOW << 21, 5, 7, 9, "a", "0192f0c1-1111-7222-8333-444444444444", 30, 0, "81.2.69.142", CHROME,
    "https://Blog.Example:8443/post?x=1", "en", "sub1=a%20b&utm_source=x",
)  # fmt: skip


@pytest.fixture(scope="module")
def countries(tmp_path_factory: pytest.TempPathFactory) -> Countries:
    return Countries(None, tmp_path_factory.mktemp("countries"))


def sources(countries: Countries, ip_privacy: Any = "truncate", days: tuple[int, ...] = (0,)) -> Sources:
    secrets = {NOW // DAY_MS + day: blake2b(key=b"%d" % day, digest_size=8) for day in days}
    return Sources(countries, secrets, ip_privacy)


def row(event: ClickEvent, looked_up: Sources) -> dict[str, Any]:
    draft = Draft(event, "1-0", 0)
    assert enrich([draft], looked_up) == []
    return dict(zip(COLUMNS, row_of(draft), strict=True))


def test_a_whole_row(countries: Countries) -> None:
    made = row(EVENT, sources(countries))
    assert (made["click_id"], made["clicked_at"], made["partner_link_id"]) == (NOW << 21, NOW, 5)
    assert (made["partner_id"], made["campaign_version_id"], made["cookie_id"]) == (7, 9, EVENT.cookie_id)
    assert (made["country_code"], made["device_type"], made["browser"]) == ("GB", "desktop", "Chrome 120")
    assert made["ip_address"] == bytes((2, 24, 0, 4, 81, 2, 69, 0))
    assert (made["referrer_url"], made["referrer_host"]) == (EVENT.referrer, "blog.example")
    assert (made["sub1"], made["utm_source"], made["sub2"]) == ("a b", "x", None)
    assert made["visitor_hash"] is not None
    assert (made["click_class"], made["class_reason"]) == ("valid", None)


def test_a_step_that_stumbles_sets_only_its_event_aside(
    countries: Countries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(drafts: Drafts, _sources: Sources) -> None:
        for draft in drafts:
            if draft.position == 2:
                raise KeyError("odd")

    monkeypatch.setattr("flusher.enrich.STEPS", (*STEPS, stumble))
    drafts = [Draft(EVENT, "1-0", position) for position in range(4)]
    ((faulty, error),) = enrich(drafts, sources(countries))
    assert (faulty, type(error)) == (drafts[2], KeyError)
    assert len({row_of(drafts[number]) for number in (0, 1, 3)}) == 1


@pytest.mark.parametrize(
    ("ip", "privacy", "stored"),
    [
        ("81.2.69.142", "truncate", "81.2.69.0/24"),
        ("81.2.69.142", "full", "81.2.69.142/32"),
        ("2001:db8:1:2:3:4:5:6", "truncate", "2001:db8:1::/48"),
        ("2001:db8:1:2:3:4:5:6", "full", "2001:db8:1:2:3:4:5:6/128"),
        ("81.2.69.142", "none", None),
        ("nonsense", "truncate", None),
        ("1.2.3.4\x00", "full", None),
        ("fe80::1%eth0", "full", None),
    ],
)
def test_addresses_as_stored(ip: str, privacy: str, stored: str | None) -> None:
    binary = stored_address(ip, privacy)
    if stored is None:
        assert binary is None
        return
    assert binary is not None
    assert str(ipaddress.ip_interface((binary[4:], binary[1]))) == stored


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.example.com/a", "www.example.com"),
        ("HTTP://user:pw@Example.COM:80", "example.com"),
        ("android-app://com.example.app/", "com.example.app"),
        ("http://[2001:db8::1]:80/x", "[2001:db8::1]"),
        ("https://example.com?x@y", "example.com"),
        ("https:///path", None),
        ("about:blank", None),
        ("://x", None),
        ("https://" + "a" * 300, None),
    ],
)
def test_referrer_hosts(referrer: str, host: str | None) -> None:
    assert host_of(referrer) == host


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("sub1=a&sub1=b", {"sub1": "a"}),
        ("utm_source=caf%C3%A9+x&source=https%3A%2F%2Fp.example%2F", {"utm_source": "café x", "source": "https://p.example/"}),
        ("sub1=%ff%00z", {"sub1": "\ufffdz"}),
        ("sub1=%zz", {"sub1": "%zz"}),
        ("%73ub2=x", {"sub2": "x"}),
        ("sub1=&sub2&sub3=%00", None),
        ("subx=1&utm_other=2", None),
        ("sub1=" + "é" * 400, {"sub1": "é" * 255}),
    ],
)  # fmt: skip
def test_parameters_kept(query: str, kept: dict[str, str] | None) -> None:
    assert parameters_of(query) == kept


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=60),
    st.none() | st.text(max_size=40),
    st.integers(0, 3),
)
def test_no_event_text_reaches_the_row_unclean(
    countries: Countries, agent: str, referrer: str, query: str, ip: str | None, kind: int
) -> None:
    made = row(
        EVENT._replace(user_agent=agent, referrer=referrer, query=query, ip=ip, kind=kind), sources(countries)
    )
    for value in made.values():
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value) <= 2048


def test_crawlers_heads_and_prefetches_are_nobody(countries: Countries) -> None:
    for changed in (EVENT._replace(user_agent="curl/8"), EVENT._replace(kind=1), EVENT._replace(kind=2)):
        assert row(changed, sources(countries))["visitor_hash"] is None


def test_the_hash_knows_address_and_browser_but_not_the_day_after(countries: Countries) -> None:
    today = row(EVENT, sources(countries))["visitor_hash"]
    assert row(EVENT, sources(countries))["visitor_hash"] == today
    assert row(EVENT._replace(ip="81.2.69.143"), sources(countries))["visitor_hash"] != today
    assert row(EVENT._replace(user_agent=CHROME + "x"), sources(countries))["visitor_hash"] != today
    tomorrow = EVENT._replace(click_id=(NOW + DAY_MS) << 21)
    draft = Draft(tomorrow, "1-0", 0)
    enrich([draft], sources(countries, days=(0, 1)))
    assert draft.visitor_hash != today
    assert draft.visitor_neighbours == (today,)
    assert -(1 << 63) <= today < 1 << 63


def test_without_a_secret_there_is_no_hash(countries: Countries) -> None:
    assert row(EVENT, sources(countries, days=()))["visitor_hash"] is None


def test_a_household_is_a_64() -> None:
    assert visitor_bytes("2001:db8:1:2::1", "x") == visitor_bytes("2001:db8:1:2:ffff::9", "x")
    assert visitor_bytes("2001:db8:1:2::1", "x") != visitor_bytes("2001:db8:1:3::1", "x")
    assert visitor_hash(blake2b(key=b"k", digest_size=8), b"x") == visitor_hash(
        blake2b(key=b"k", digest_size=8), b"x"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"click_id": (OLDEST_MS - 1) << 21}, "bad_time"),
        ({"click_id": (NOW + AHEAD_MS_MAX + 1) << 21}, "bad_time"),
        ({"link_id": 0}, "bad_number"),
        ({"link_id": 1 << 31}, "bad_number"),
        ({"partner_id": 1 << 31}, "bad_number"),
        ({"campaign_version_id": -1}, "bad_number"),
        ({"ip": 5}, "bad_text"),
        ({"import_key": "x"}, "bad_import_key"),
        ({"import_key": 5}, "bad_import_key"),
        ({"import_key": "0192f0c1-1111-7222-8333-444444444444"}, None),
        ({}, None),
        ({"cookie_id": "junk", "ip": None, "partner_id": None, "campaign_version_id": None}, None),
    ],
)
def test_faults(changed: dict[str, Any], reason: str | None) -> None:
    assert fault_of(EVENT._replace(**changed), NOW) == reason


def test_a_foreign_cookie_counts_as_none_unless_imported(countries: Countries, tmp_path: Path) -> None:
    foreign = "9f3b2c1e-8d7a-4c5b-9e6f-112233445566"
    assert row(EVENT._replace(cookie_id=foreign), sources(countries))["cookie_id"] is None
    assert row(EVENT._replace(cookie_id="x"), sources(countries))["cookie_id"] is None
    assert (
        row(EVENT._replace(cookie_id=str(EVENT.cookie_id).upper()), sources(countries))["cookie_id"]
        == EVENT.cookie_id
    )
    imported = EVENT._replace(cookie_id=foreign, import_key="0192f0c1-1111-7222-8333-444444444444")
    assert row(imported, sources(countries))["cookie_id"] == foreign

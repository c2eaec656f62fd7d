"""User agents: devices, names, crawlers by rule, and caches that strangers cannot grow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import agents
from schema.agents import Agent, find_bot_rule, is_crawler, read_agent

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36"


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (WINDOWS.format("Chrome/120.0.0.0"), Agent("desktop", "Chrome 120", "Windows 10", None)),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
            Agent("mobile", "Mobile Safari 17", "iOS 17", None),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
            Agent("tablet", "Mobile Safari 16", "iOS 16", None),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.43 Mobile Safari/537.36",
            Agent("mobile", "Chrome Mobile 120", "Android 14", None),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
            Agent("desktop", "Firefox 121", "Linux", None),
        ),
        ("no browser at all", Agent("other", None, None, None)),
    ],
)
def test_visitors(text: str, agent: Agent) -> None:
    assert read_agent(text) == agent
    assert not is_crawler(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "curl/8.5.0",
        "python-requests/2.31.0",
        "Python/3.11 aiohttp/3.9.1",
        "Go-http-client/2.0",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "WhatsApp/2.23.20.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        WINDOWS.format("HeadlessChrome/120.0.0.0"),
        "Mozilla/5.0 (compatible; SomethingNewBot/0.1)",
    ],
)
def test_crawlers(text: str) -> None:
    assert is_crawler(text)
    assert read_agent(text).bot_rule


def test_every_published_example_is_recognised() -> None:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    examples = [example for entry in CRAWLER_USER_AGENTS_DATA for example in entry["instances"]]
    assert len(examples) > 1_000
    missed = [example for example in examples if find_bot_rule(example) is None]
    assert len(missed) <= len(examples) * 0.01, missed[:5]


def test_a_telephone_called_cubot_is_a_visitor_but_a_crawler_on_it_is_not() -> None:
    phone = "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0.4430.66 Mobile Safari/537.36"
    assert not is_crawler(phone)
    assert is_crawler(phone + " (compatible; Googlebot/2.1)")


@given(st.text(max_size=300) | st.text(st.characters(categories=["Cs", "Cc"]), max_size=5))
def test_no_text_is_too_strange(text: str) -> None:
    agent = read_agent(text)
    assert agent.device_type in ("desktop", "mobile", "tablet", "other")
    assert (agent.bot_rule is not None) == is_crawler(text)
    assert all(part is None or 0 < len(part) <= agents.RULE_CHARS_MAX for part in agent)


def test_caches_stay_bounded() -> None:
    for number in range(agents.CRAWLERS_CACHED_MAX + 100):
        is_crawler(f"stranger {number}")
    assert is_crawler.cache_info().currsize == agents.CRAWLERS_CACHED_MAX


def test_cheap_enough_for_the_door() -> None:
    """Uncached it takes about 1 us; 50 leaves room for a busy machine."""
    is_crawler("warm")
    started = time.process_time()
    for number in range(2_000):
        find_bot_rule(WINDOWS.format(f"Chrome/{number}"))
    assert (time.process_time() - started) / 2_000 < 50e-6

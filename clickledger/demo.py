"""Live demo traffic: realistic visits sent as real HTTP requests through the door, a few a second.

Visitors come from many countries by weight, on phones, tablets and desktops, some of them again and again with
their cookie, some with sub-ids and campaign parameters; crawlers, link previews, prefetches and HEAD requests come
too. Addresses are drawn at random and kept where the country database knows them; `up --demo` trusts the loopback
as a proxy so that they count.
"""

from __future__ import annotations

import http.client
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlencode

import structlog

from clickledger.sample import SAMPLE_CODES
from schema.countries import Countries
from schema.logs import set_up_logs
from schema.settings import Settings

VISITS_PER_SECOND = 4.0
VISITORS_MAX = 2_000
RETURNING_SHARE = 0.35
COUNTRY_WEIGHTS = {
    "US": 30, "GB": 14, "DE": 12, "FR": 8, "NL": 5, "ES": 5, "IT": 4, "SE": 3, "PL": 3, "CA": 5, "AU": 4,
    "BR": 5, "IN": 8, "JP": 4, "NG": 3, "ZA": 2, "MX": 3,
}  # fmt: skip

BROWSERS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "curl/8.5.0",
)
REFERRERS = (
    "", "", "https://www.google.com/", "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://t.co/",
    "https://www.instagram.com/", "https://blog-a.example/best-tents-of-the-year", "https://deals.example/today",
    "https://newsletter.example/issue-42",
)  # fmt: skip
LANGUAGES = ("en-US,en;q=0.9", "en-GB,en;q=0.8", "de-DE,de;q=0.9", "fr-FR,fr;q=0.9", "es-ES,es;q=0.9")

_log = structlog.get_logger()


class Visitor:
    """One made-up person: an address, a browser, and whatever cookies the door gave them."""

    def __init__(self, ip: str) -> None:
        self.headers = {
            "User-Agent": random.choice(BROWSERS),
            "X-Forwarded-For": ip,
            "Accept-Language": random.choice(LANGUAGES),
        }
        self.cookies: dict[str, str] = {}

    def click(self, connection: http.client.HTTPConnection, path: str) -> int:
        """Follow a link and keep the cookies of the answer."""
        headers = self.headers | {"Referer": random.choice(REFERRERS)}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request("GET", path, headers={name: value for name, value in headers.items() if value})
        response = connection.getresponse()
        response.read()
        for cookie in response.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response.status


def addresses(countries: Countries, wanted: int) -> list[str]:
    """Random public IPv4 addresses, their countries spread by weight."""
    found: dict[str, list[str]] = {country: [] for country in COUNTRY_WEIGHTS}
    share = wanted / sum(COUNTRY_WEIGHTS.values())
    for _ in range(200_000):
        ip = f"{random.randint(1, 223)}.{random.randint(0, 255)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        country = countries.country(ip)
        if country in found and len(found[country]) < max(1, share * COUNTRY_WEIGHTS[country]):
            found[country].append(ip)
    return [ip for group in found.values() for ip in group]


def paths() -> Iterator[str]:
    """Links, the first ones far more popular (Zipf), now and then with sub-ids or campaign parameters."""
    weights = [1 / (rank + 1) for rank in range(len(SAMPLE_CODES))]
    while True:
        (code,) = random.choices(SAMPLE_CODES, weights)
        query: dict[str, str] = {}
        if random.random() < 0.3:
            query["sub1"] = random.choice(("hero", "sidebar", "footer", "story-7"))
        if random.random() < 0.15:
            query |= {"utm_source": "newsletter", "utm_campaign": random.choice(("autumn", "black friday"))}
        yield f"/{quote(code)}" + (f"?{urlencode(query)}" if query else "")


def run_demo(settings: Settings) -> None:
    """Send visits until SIGTERM. A door that does not answer is tried again a second later."""
    set_up_logs("demo", settings.log_level)
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    pool = addresses(Countries(settings.geoip_db, settings.data_dir), VISITORS_MAX)
    visitors: list[Visitor] = []
    path = paths()
    while not is_over.is_set():
        try:
            with closing(http.client.HTTPConnection(settings.host, settings.port, timeout=10)) as connection:
                while not is_over.wait(random.expovariate(VISITS_PER_SECOND)):
                    _visit(connection, next(path), visitors, pool)
        except (OSError, http.client.HTTPException) as error:
            _log.info("door_did_not_answer", error=repr(error))
            is_over.wait(1.0)


def _visit(
    connection: http.client.HTTPConnection, path: str, visitors: list[Visitor], pool: list[str]
) -> None:
    """One visit of one of the kinds a door sees."""
    lot = random.random()
    if lot < 0.08:
        _plain(
            connection,
            "GET",
            path,
            {"User-Agent": random.choice(CRAWLERS), "X-Forwarded-For": random.choice(pool)},
        )
    elif lot < 0.10:
        _plain(
            connection,
            "HEAD",
            path,
            {"User-Agent": random.choice(BROWSERS), "X-Forwarded-For": random.choice(pool)},
        )
    elif lot < 0.12:
        _plain(connection, "GET", path, {"User-Agent": BROWSERS[4], "Sec-Purpose": "prefetch"})
    elif visitors and lot < 0.12 + RETURNING_SHARE:
        random.choice(visitors).click(connection, path)
    else:
        visitor = Visitor(random.choice(pool))
        visitor.click(connection, path)
        visitors.append(visitor)
        if len(visitors) > VISITORS_MAX:
            del visitors[0]


def _plain(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> None:
    connection.request(method, path, headers=headers)
    connection.getresponse().read()

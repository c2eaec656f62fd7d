"""A real Chromium in front of a whole running system with a programme and a past to look at.

Debian's browser is used where it is installed; elsewhere these tests are skipped and say how to get it. One system,
one browser and one profile serve all tests of a worker; each test has a tab, and so a session, of its own. They end
with the last test of this folder, for while Playwright runs, asyncio.run is not possible.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.desk import Desk, new_profile, outcomes
from tests.browser.past import ALL, import_past
from tests.end_to_end.system_account import apply_programme
from tests.running_system import Up, wait_until

PROGRAMME = Path(__file__).with_name("programme.yaml")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="package")
def chromium_path() -> str:
    """Where Debian's browser is; a skip where it is not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs a Chromium: as root, apt-get install chromium")
    return found


@pytest.fixture(scope="package")
def up(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A whole system with a programme and a past; its door believes X-Forwarded-For, so that countries differ."""
    assert chromium_path
    started = Up(tmp_path_factory.mktemp("browser") / "data", trusted_proxies="127.0.0.1")
    try:
        apply_programme(started.start(), PROGRAMME, "/cleo-1")
        import_past(started)
        wait_until(lambda: list(outcomes(started).values()) == ["attributed"] * len(ALL), 30, "settlement")
        yield started
    finally:
        started.kill()
        wait_until(lambda: not started.leftovers(), 30, "the system to end")


@pytest.fixture(scope="package")
def chromium(chromium_path: str) -> Iterator[Browser]:
    """The browser, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profile(up: Up, chromium: Browser) -> BrowserContext:
    """What its tabs share: the cache, so that only the first of them loads the scripts."""
    return new_profile(up, chromium)


@pytest.fixture
def stranger(up: Up, profile: BrowserContext) -> Iterator[Desk]:
    """Somebody at a desk who is not signed in. Their browser must not have complained of anything."""
    with Desk(up, profile) as desk:
        yield desk
    assert desk.complaints == []


@pytest.fixture
def desk(stranger: Desk) -> Desk:
    """The same, signed in as admin."""
    stranger.enter()
    return stranger


@pytest.fixture
def phone(stranger: Desk) -> Desk:
    """The same on a phone."""
    stranger.page.set_viewport_size({"width": 390, "height": 844})
    stranger.enter()
    return stranger

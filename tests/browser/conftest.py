"""A real Chromium in front of a whole running system with a programme to look at.

Debian's browser is used where it is installed; elsewhere these tests are skipped and say how to get it. One system
serves all tests; each has a browser context, and so a session, of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.desk import Desk
from tests.end_to_end.system_account import apply_programme
from tests.running_system import Up, wait_until

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Debian's browser is; a skip where it is not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs a Chromium: as root, apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def up(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A whole system with the tests' programme; its door believes X-Forwarded-For, so that countries differ."""
    assert chromium_path
    started = Up(tmp_path_factory.mktemp("browser") / "data", trusted_proxies="127.0.0.1")
    try:
        apply_programme(started.start())
        yield started
    finally:
        started.kill()
        wait_until(lambda: not started.leftovers(), 30, "the system to end")


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Browser]:
    """The browser, without a screen. No longer than a file: while Playwright runs, asyncio.run is not possible."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def desk(up: Up, chromium: Browser) -> Iterator[Desk]:
    """Somebody at a desk, signed in as admin. Their browser must not have complained of anything."""
    with Desk(up, chromium) as desk:
        desk.sign_in()
        yield desk
        assert desk.complaints == []


@pytest.fixture
def phone(up: Up, chromium: Browser) -> Iterator[Desk]:
    """The same on a phone."""
    with Desk(up, chromium, width=390, height=844) as desk:
        desk.sign_in()
        yield desk
        assert desk.complaints == []

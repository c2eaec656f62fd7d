"""How the dashboard is sent: policy, caching, compression, and nothing but its own files."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from attribution.api.dashboard import STATIC, dashboard_routes, load_dashboard


class Client:
    """Asks the dashboard's routes without a server."""

    def __init__(self) -> None:
        app = FastAPI()
        app.include_router(dashboard_routes())
        self._transport = httpx.ASGITransport(app=app)

    def get(self, address: str, **headers: str) -> httpx.Response:
        """One GET; an underscore in a header's name stands for a hyphen."""

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://dashboard") as client:
                sent = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.get(address, headers=sent)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def client() -> Client:
    return Client()


def asset(client: Client, name: str) -> str:
    """The address the page gives a file."""
    version = re.search(r"/assets/(\w+)/", client.get("/").text)
    assert version is not None
    return f"/assets/{version.group(1)}/{name}"


def test_the_page_forbids_what_it_does_not_need(client: Client) -> None:
    page = client.get("/")
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)


def test_the_page_is_revalidated_and_its_files_are_kept_for_ever(client: Client) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/", If_None_Match=page.headers["etag"]).status_code == 304
    script = client.get(asset(client, "modules/main.js"))
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"


def test_every_file_the_page_and_its_modules_name_is_there(client: Client) -> None:
    page = client.get("/").text
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page):
        assert client.get(address).status_code == 200, address
    for module in (STATIC / "modules").glob("*.js"):
        for name in re.findall(r'from "\./(\w+\.js)"', module.read_text(encoding="utf-8")):
            assert (module.parent / name).is_file(), f"{module.name}: {name}"


def test_compressed_for_who_can_read_it(client: Client) -> None:
    address = asset(client, "vendor/uplot/uPlot.iife.min.js")
    zipped = client.get(address, Accept_Encoding="gzip")
    plain = client.get(address, Accept_Encoding="identity")
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert plain.content == (STATIC / "vendor/uplot/uPlot.iife.min.js").read_bytes()
    assert int(zipped.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))


@pytest.mark.parametrize("name", ["%2e%2e/dashboard.py", "vendor/LICENSES.md", "index.html", ""])
def test_nothing_else_is_served(client: Client, name: str) -> None:
    assert client.get(asset(client, name)).status_code == 404


def test_another_version_is_not_there(client: Client) -> None:
    assert client.get("/assets/0123456789abcdef/modules/main.js").status_code == 404


def test_the_version_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("{{assets}}")
    (tmp_path / "a.js").write_text("1")
    first = load_dashboard(tmp_path).version
    (tmp_path / "a.js").write_text("2")
    assert load_dashboard(tmp_path).version != first


def test_modules_say_what_they_are_and_stay_short() -> None:
    for module in (STATIC / "modules").glob("*.js"):
        text = module.read_text(encoding="utf-8")
        assert text.startswith("// "), module.name
        assert text.count("\n") <= 300, module.name
        assert "innerHTML" not in text, module.name

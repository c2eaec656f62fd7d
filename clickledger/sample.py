"""The sample programme: what `make run` and `make demo` put into an empty ledger, and the links they print to click."""

from __future__ import annotations

import asyncio
from importlib.resources import files

import asyncpg
import yaml

from attribution.apply import apply_programme
from attribution.link_fields import Policy
from attribution.programme import read_programme
from schema.links import short_url
from schema.queries import load_queries
from schema.settings import Settings

LINKS_SHOWN_MAX = 12
SQL = load_queries("clickledger")
PROGRAMME = files("clickledger").joinpath("sample.yaml").read_text(encoding="utf-8")

SAMPLE_CODES: list[str] = [
    link["code"]
    for vendor in yaml.safe_load(PROGRAMME)["vendors"]
    for campaign in vendor["campaigns"]
    for partner in campaign["partners"]
    for link in partner["links"]
]
"""The codes of the sample's links, in the order of the file."""


def load_sample(settings: Settings) -> list[str]:
    """Apply the sample to a ledger that has no links; whole addresses of its links, or of the first that were there."""
    return [short_url(settings.door_url, code) for code in asyncio.run(_load(settings))]


async def _load(settings: Settings) -> list[str]:
    connection = await asyncpg.connect(settings.database_url, timeout=10)
    try:
        codes = [row["short_code"] for row in await connection.fetch(SQL["first_codes"], LINKS_SHOWN_MAX)]
        if not codes:
            await apply_programme(connection, Policy.of(settings), read_programme(PROGRAMME))
        return codes or SAMPLE_CODES
    finally:
        await connection.close(timeout=5)

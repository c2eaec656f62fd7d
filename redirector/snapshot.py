"""The link snapshot: what a door knew, on disk, for the door that starts while Redis is away.

Each door process writes its cached links every minute into a file of its own, replaced whole; a starting door that
finds no Redis reads those of all.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from redirector.decision import CachedLink
from schema.links import encode_link

SNAPSHOT_PERIOD_S = 60.0


def write_snapshot(directory: Path, slot: int, links: list[CachedLink]) -> None:
    """Replace this slot's snapshot. An empty cache leaves the old one alone. Raises OSError."""
    if not links:
        return
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"links-{slot}.ndjson"
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.writelines(encode_link(cached.link) + b"\n" for cached in links)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_snapshots(directory: Path, links_max: int) -> list[bytes]:
    """The published values in all snapshots, the newest file last, at most `links_max`; damaged lines left out."""
    values: list[bytes] = []
    for path in sorted(directory.glob("links-*.ndjson"), key=lambda found: found.stat().st_mtime):
        values += [line for line in path.read_bytes().splitlines() if _is_whole(line)]
    return values[-links_max:]


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False

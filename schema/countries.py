"""Tells the country of an address, from a database file on this machine: `Countries(path, cache_dir).country(ip)`.

The door asks when a link has rules by country, the writer for every click. Without a database of the user's own
(`GEOIP_DB`) the one that ships, packed, in `schema/data` is unpacked into the data directory at first use. The
file is read with `maxminddb`, the C reader under geoip2: building geoip2's models for one field takes four times
as long, and its `country()` refuses City databases.
"""

from __future__ import annotations

import hashlib
import lzma
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import maxminddb

PACKED = "data/countries.mmdb.xz"
_MAPPED = "::ffff:"


class Countries:
    """Country look-ups in one database; opened once, safe to share between tasks.

    Parameters: `path` names a GeoIP2/GeoLite2 Country or City database (None: the one that ships); `cache_dir`
    is where the shipped one is unpacked. Raises OSError or maxminddb.InvalidDatabaseError when it cannot be read.
    """

    __slots__ = ("_get", "_reader")

    def __init__(self, path: Path | None, cache_dir: Path) -> None:
        self._reader: Any = maxminddb.open_database(unpacked(cache_dir) if path is None else path)
        self._get = self._reader.get

    def country(self, ip: str) -> str | None:
        """ISO 3166 alpha-2 code of an address in text form; None for private, unknown and malformed ones."""
        if ip.startswith(_MAPPED) and "." in ip:
            ip = ip[len(_MAPPED) :]
        try:
            return _iso_code(self._get(ip))
        except (ValueError, TypeError):
            return None

    def close(self) -> None:
        """Give the file back."""
        self._reader.close()


def _iso_code(record: Any) -> str | None:
    try:
        code = record["country"]["iso_code"]
    except (TypeError, KeyError):
        return None
    return code if isinstance(code, str) and len(code) == 2 else None


def unpacked(cache_dir: Path) -> Path:
    """The shipped database as a plain file in `cache_dir`, unpacked (0.1 s) if it is not there yet.

    Several processes may ask at once: each writes its own file and renames it into place, and readers of an
    older one keep it open. The name carries the content's hash, so that an upgrade is noticed.
    """
    packed = files("schema").joinpath(PACKED).read_bytes()
    plain = cache_dir / f"countries-{hashlib.sha256(packed).hexdigest()[:12]}.mmdb"
    if plain.exists():
        return plain
    cache_dir.mkdir(parents=True, exist_ok=True)
    older = [path for path in cache_dir.glob("countries-*.mmdb") if path != plain]
    with tempfile.NamedTemporaryFile(dir=cache_dir, prefix=".countries-", delete=False) as file:
        file.write(lzma.decompress(packed))
    Path(file.name).replace(plain)
    for path in older:
        path.unlink(missing_ok=True)
    return plain

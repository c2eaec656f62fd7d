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
from socket import AF_INET, inet_pton
from struct import Struct
from typing import Any

import maxminddb

PACKED = "data/countries.mmdb.xz"
_MAPPED = "::ffff:"
_NUMBER = Struct(">I").unpack
_FIRST_COUNTRY = 1
"""In the table of networks: 0 stands for one not met yet, or divided between countries."""
_COUNTRIES_MAX = 255


class Countries:
    """Country look-ups in one database; opened once, safe to share between tasks.

    Networks met before are found in a table of one byte per /24 of version 4: 0.2 us an address instead of 1. Its
    16 MB are taken from the system only as far as they are written.

    Parameters: `path` names a GeoIP2/GeoLite2 Country or City database (None: the one that ships); `cache_dir`
    is where the shipped one is unpacked. Raises OSError or maxminddb.InvalidDatabaseError when it cannot be read.
    """

    __slots__ = ("_found", "_reader", "_table")

    def __init__(self, path: Path | None, cache_dir: Path) -> None:
        self._reader: Any = maxminddb.open_database(unpacked(cache_dir) if path is None else path)
        self._table = bytearray(1 << 24)
        self._found: list[str | None] = []

    def country(self, ip: str) -> str | None:
        """ISO 3166 alpha-2 code of an address in text form; None for private, unknown and malformed ones."""
        try:
            (number,) = _NUMBER(inet_pton(AF_INET, ip))
        except (OSError, ValueError):
            is_mapped = ip.startswith(_MAPPED) and "." in ip
            return self.country(ip[len(_MAPPED) :]) if is_mapped else self._look_up(ip)[0]
        place = self._table[number >> 8]
        return self._found[place - _FIRST_COUNTRY] if place >= _FIRST_COUNTRY else self._meet(ip, number >> 8)

    def _meet(self, ip: str, block: int) -> str | None:
        """The country of an address in a /24 the table cannot tell; it can from now on, unless the /24 is divided."""
        code, bits = self._look_up(ip)
        if not 0 < bits <= 24:
            return code
        if code not in self._found:
            if len(self._found) == _COUNTRIES_MAX:
                return code
            self._found.append(code)
        size = 1 << 24 - bits
        first = block - block % size
        self._table[first : first + size] = bytes((self._found.index(code) + _FIRST_COUNTRY,)) * size
        return code

    def _look_up(self, ip: str) -> tuple[str | None, int]:
        """What the database says, and of how many leading bits it says it."""
        try:
            record, bits = self._reader.get_with_prefix_len(ip)
        except (ValueError, TypeError):
            return None, 0
        return _iso_code(record), bits

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

"""Makes `schema/data/countries.mmdb.xz` anew from an IPtoASN country database: `python -m schema.refresh_countries FILE`.

For maintainers only; nothing imports it. FILE is `iptoasn-country.mmdb` of the ip-location-db project (PDDL-1.0,
see `schema/data/LICENSES.md`), whose flat records geoip2 refuses; out comes the `country.iso_code` shape of
GeoIP2, packed with xz. Needs `mmdb-writer` once (`pip install mmdb-writer`) and takes about half a minute.
"""

from __future__ import annotations

import importlib
import lzma
import sys
import tempfile
from pathlib import Path
from typing import Any

import maxminddb

PACKED = Path(__file__).parent / "data" / "countries.mmdb.xz"
DATABASE_TYPE = "Clickledger-IPtoASN-Country"
"""geoip2 reads a database as countries only when its type name contains `Country`."""
NETWORKS_MIN = 200_000
"""Fewer networks than this mean a broken source; the real table has about 400,000."""


def refresh(source: Path, packed: Path = PACKED) -> int:
    """Convert and pack `source`; returns how many networks it holds. Raises ValueError when it looks broken."""
    writer_module: Any = importlib.import_module("mmdb_writer")
    netaddr: Any = importlib.import_module("netaddr")
    writer = writer_module.MMDBWriter(
        ip_version=6,
        database_type=DATABASE_TYPE,
        languages=["en"],
        description="IPtoASN country, PDDL-1.0",
        ipv4_compatible=True,
    )
    networks = 0
    with maxminddb.open_database(source) as reader:
        for network, record in reader:
            if isinstance(record, dict) and _is_country(record.get("country_code")):
                writer.insert_network(
                    netaddr.IPSet([str(network)]), {"country": {"iso_code": record["country_code"]}}
                )
                networks += 1
    if networks < NETWORKS_MIN:
        raise ValueError(f"{source} holds only {networks} networks")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "countries.mmdb"
        writer.to_db_file(str(plain))
        packed.write_bytes(lzma.compress(plain.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    return networks


def _is_country(code: object) -> bool:
    return isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()


if __name__ == "__main__":
    sys.stdout.write(f"{refresh(Path(sys.argv[1]))} networks\n")

"""Countries of addresses: known ones, private ones, nonsense, and a database unpacked by several processes at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from schema.countries import Countries, unpacked


@pytest.fixture(scope="module")
def countries(tmp_path_factory: pytest.TempPathFactory) -> Countries:
    return Countries(None, tmp_path_factory.mktemp("countries"))


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("81.2.69.142", "GB"),
        ("216.160.83.56", "US"),
        ("89.160.20.112", "SE"),
        ("::ffff:81.2.69.142", "GB"),
        ("2a02:8071::1", "DE"),
        ("10.0.0.1", None),
        ("127.0.0.1", None),
        ("192.168.1.1", None),
        ("fe80::1", None),
        ("2001:db8::1", None),
        ("", None),
        ("not an address", None),
        ("999.1.1.1", None),
        ("1.2.3.4\x00", None),
        ("1.2.3.4\ud800", None),
    ],
)
def test_country_of(countries: Countries, ip: str, country: str | None) -> None:
    assert countries.country(ip) == country


def test_unpacks_once_and_leaves_no_scraps(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        paths = set(pool.map(unpacked, [tmp_path] * 4))
    assert len(paths) == 1
    assert [path.name for path in tmp_path.iterdir()] == [paths.pop().name]


def test_an_upgrade_removes_the_older_file(tmp_path: Path) -> None:
    older = tmp_path / "countries-000000000000.mmdb"
    older.write_bytes(b"old")
    assert unpacked(tmp_path).exists()
    assert not older.exists()


def test_a_database_of_the_users_own(tmp_path: Path) -> None:
    own = Countries(unpacked(tmp_path), tmp_path / "unused")
    assert own.country("81.2.69.142") == "GB"
    assert not (tmp_path / "unused").exists()
    own.close()


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Countries(tmp_path / "nowhere.mmdb", tmp_path)

"""History as a file: through the same stream and writer, once however often, with every bad row named."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import redis

from schema.settings import Settings
from tests.flusher_bed import rows, value
from tests.reports_bed import KEY, drain_reports, publish_vendor
from tests.running_system import clickledger

CSV = """occurred_at,vendor,event,transaction_id,amount,currency,metadata
2021-03-01T10:00:00Z,1@shop.example,sale,O-1,10.00,USD,
2021-03-01T10:00:01+02:00,1@shop.example,signup,O-2,,EUR,"{""order_number"":""7""}"
"""


@pytest.fixture(autouse=True)
def vendor(settings: Settings) -> None:
    rows(settings, "INSERT INTO vendors (name, email) VALUES ('Acme', '1@shop.example')")
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        publish_vendor(client)


def load(settings: Settings, file: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Import and drain; exit status and output."""
    file.write_text(text)
    done = clickledger(
        "conversions", "import", str(file), *arguments,
        cwd=file.parent, redis_url=settings.redis_url, database_url=settings.database_url, data_dir=settings.data_dir,
    )  # fmt: skip
    drain_reports(settings)
    return done.returncode, done.stdout + done.stderr


def test_csv_twice(settings: Settings, tmp_path: Path) -> None:
    for _ in range(2):
        status, output = load(settings, tmp_path / "history.csv", CSV)
        assert (status, "2 conversions handed to the writer, 0 lines left out." in output) == (0, True), (
            output
        )
    found = rows(
        settings,
        "SELECT transaction_id, event_value, occurred_at, metadata FROM conversion_events ORDER BY 1",
    )
    assert [row["occurred_at"].isoformat() for row in found] == [
        *("2021-03-01T10:00:00+00:00", "2021-03-01T08:00:01+00:00")
    ]
    assert orjson.loads(found[1]["metadata"]) == {"order_number": "7"}
    assert value(settings, "SELECT count(*) FROM conversion_reports") == 0


def test_ndjson_with_a_key_names_every_bad_line(settings: Settings, tmp_path: Path) -> None:
    lines = [
        {"occurred_at": "2021-03-01T10:00:00Z", "transaction_id": "N-1", "amount": "1.00", "currency": "USD"},
        {"transaction_id": "N-2", "amount": "1.00", "currency": "USD"},
        {"occurred_at": "2021-03-01T10:00:00Z", "amount": 1.0, "currency": "usd"},
        {"occurred_at": "1999-03-01T10:00:00Z", "currency": "USD", "vendor": "nobody@shop.example"},
    ]
    text = "\n".join([*(orjson.dumps(line).decode() for line in lines), "", "{", "[]"])
    status, output = load(settings, tmp_path / "history.ndjson", text, "--key", KEY)
    assert status == 1
    assert "1 conversions handed to the writer, 5 lines left out." in output
    for told in ("line 2: occurred_at: is needed", "line 3: currency:", "amount: must be text", "line 4: vendor:", "line 6: is not JSON", "line 7: must be a JSON object"):  # fmt: skip
        assert told in output
    assert value(settings, "SELECT count(*) FROM conversion_events") == 1


@pytest.mark.parametrize(
    "text", ["transaction_id\nO\n", "occurred_at,surprise\n", "occurred_at,occurred_at\n", "\0"]
)
def test_a_file_that_is_none(settings: Settings, tmp_path: Path, text: str) -> None:
    assert load(settings, tmp_path / "history.csv", text)[0] == 2


def test_a_key_that_does_not_work(settings: Settings, tmp_path: Path) -> None:
    status, output = load(settings, tmp_path / "history.csv", CSV, "--key", "clk_none")
    assert (status, "not the working key" in output) == (2, True)


def test_a_secret_for_signing(settings: Settings, tmp_path: Path) -> None:
    """Shown once, the newest first; the one before goes on working, the one before that does not."""
    made = []
    for _ in range(3):
        done = clickledger(
            "conversions", "secret", "--vendor-id", "1", cwd=tmp_path, database_url=settings.database_url
        )
        assert done.returncode == 0, done.stderr
        made.append(done.stdout.strip())
    assert value(settings, "SELECT postback_secrets FROM vendors") == made[:0:-1]
    assert (
        clickledger(
            "conversions", "secret", "--vendor-id", "9", cwd=tmp_path, database_url=settings.database_url
        ).returncode
        == 1
    )


def test_status_counts_them(settings: Settings, tmp_path: Path) -> None:
    load(settings, tmp_path / "history.csv", CSV)
    done = clickledger("status", "--json", cwd=tmp_path, redis_url=settings.redis_url, database_url=settings.database_url, data_dir=tmp_path)  # fmt: skip
    assert orjson.loads(done.stdout)["conversions"] == {"accepted": 2, "settled": 0, "waiting": 2}

"""The locust scenarios at toy size against a whole system: every kind of user does all it can, and nothing fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.system_account import assert_books_are_clean, query
from tests.running_system import ROOT, Up, clickledger, environment, wait_until

ASKED = {"/{code}", "/v1/stats", "/v1/links/{code}/stats", "/v1/conversions", "/-/conversions"}

SOLD = "SELECT FROM conversion_events WHERE attribution_state = 'attributed' LIMIT 1"


@pytest.fixture
def sample_system(tmp_path: Path) -> Iterator[Up]:
    """A whole system with the sample programme."""
    up = Up(tmp_path / "data", ("--sample",))
    try:
        yield up.start()
    finally:
        up.kill()
        wait_until(lambda: not up.leftovers(), 30, "the system to end")


def test_every_scenario_runs_without_a_failure(sample_system: Up, tmp_path: Path) -> None:
    made = clickledger(
        "keys",
        "create",
        "--role",
        "vendor",
        "--vendor-id",
        "1",
        cwd=tmp_path,
        data_dir=sample_system.data_dir,
    )
    vendor_key = next(word for word in made.stdout.split() if word.startswith("clk_vendor_"))
    command = [
        sys.executable, "-m", "locust", "-f", str(ROOT / "bench" / "locustfile.py"), "--headless", "--json",
        "--host", sample_system.door_url, "--api-url", sample_system.api_url,
        "--api-key", sample_system.admin_key, "--vendor-key", vendor_key, "--users", "40", "--spawn-rate", "40",
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=pipe, stderr=pipe) as locust:
        try:
            wait_until(lambda: query(sample_system, SOLD), 60, "a visitor to click and a vendor to sell")
        finally:
            locust.terminate()
            printed, said = locust.communicate(timeout=60)
    seen = {row["name"]: row for row in json.loads(printed)}
    assert {"/{code}", "/-/conversions"} <= set(seen) <= ASKED, said.decode()
    assert [row for row in seen.values() if row["num_failures"]] == []
    assert_books_are_clean(sample_system)

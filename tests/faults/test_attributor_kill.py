"""An attributor killed with -9 in mid-batch leaves no half conversion, and the next one finishes the work."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger_bed import NOW, Ledger, ago, disagreements, on_ledger

CONVERSIONS = 1_500
KILLS = 3


def _start(url: str, data_dir: Path) -> subprocess.Popen[bytes]:
    """An attributor in a process of its own."""
    environment = os.environ | {"CLICKLEDGER_DATABASE_URL": url, "CLICKLEDGER_LOG_LEVEL": "error"}
    return subprocess.Popen(
        [sys.executable, "-m", "clickledger.child", "attributor", "--data-dir", str(data_dir)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _settled(ledger: Ledger) -> int:
    return int(
        await ledger.db.fetchval(
            "SELECT count(*) FROM conversion_events WHERE attribution_state = 'attributed'"
        )
    )


async def _half(ledger: Ledger) -> int:
    """Conversions with touches or credits that do not go with their state."""
    return int(
        await ledger.db.fetchval(
            "SELECT count(*) FROM conversion_events c WHERE (c.attribution_state = 'attributed') IS DISTINCT FROM"
            " ((SELECT count(*) FROM touches t WHERE t.conversion_event_id = c.conversion_event_id) = 10)"
            " OR (c.attribution_state = 'attributed') IS DISTINCT FROM"
            " EXISTS (SELECT FROM conversion_credits r WHERE r.conversion_event_id = c.conversion_event_id)"
        )
    )


async def _kill_in_mid_batch(ledger: Ledger, process: subprocess.Popen[bytes]) -> None:
    """Kill it the moment it has work open: a transaction of its own that has written already."""
    deadline = time.monotonic() + 30
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'clickledger-attributor' AND backend_xid IS NOT NULL"
    )
    while not await ledger.db.fetchval(busy):
        assert time.monotonic() < deadline and process.poll() is None
        await asyncio.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    gone = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'clickledger-attributor'"
    )
    while await ledger.db.fetchval(gone):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.timeout(240)
def test_a_killed_attributor_leaves_no_half_conversion(database_url: str, tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        for number in range(1, 51):
            await ledger.click("A", ago(2), number)
            await ledger.click("B", ago(1), number)
        for number in range(CONVERSIONS):
            at = NOW + timedelta(seconds=number // 50)
            await ledger.sale(f"T{number}", cookie_number=number % 50 + 1, at=at)
        for _ in range(KILLS):
            process = _start(database_url, tmp_path)
            try:
                await _kill_in_mid_batch(ledger, process)
            finally:
                process.kill()
                process.wait(10)
            assert await _half(ledger) == 0
            if await _settled(ledger) == CONVERSIONS:
                break
        await ledger.attribute(2)
        assert (await _settled(ledger), await _half(ledger)) == (CONVERSIONS, 0)
        await disagreements(ledger)

    on_ledger(database_url, work, attribution_model="linear")


@pytest.mark.timeout(120)
def test_asked_to_stop_it_ends_in_good_order(database_url: str, tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        await ledger.sale("T1")
        process = _start(database_url, tmp_path)
        try:
            deadline = time.monotonic() + 30
            while not await _settled(ledger):
                assert time.monotonic() < deadline and process.poll() is None
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait(10)

    on_ledger(database_url, work)

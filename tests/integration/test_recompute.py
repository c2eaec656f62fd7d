"""`clickledger recompute`: nothing to do on a sound ledger, what differs is put right once and told, and what is
approved stays."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from attribution.recompute import Recomputed, recompute
from tests.ledger_bed import NOW, Ledger, ago, on_ledger
from tests.running_system import clickledger

START, END = NOW - timedelta(days=30), NOW + timedelta(days=30)


async def a_month(ledger: Ledger) -> list[int]:
    """Sales with journeys of one to three touches, a refund, an organic sale; settled."""
    numbers = []
    for number in range(1, 13):
        for days, partner in ((3, "A"), (2, "B"), (1, "C"))[: number % 4]:
            await ledger.click(partner, ago(days, minutes=number), number)
        numbers.append(
            await ledger.sale(
                f"T{number}", f"{number}9.99", cookie_number=number, at=NOW - timedelta(hours=number)
            )
        )
    await ledger.refund("T1", "5.00", "R1")
    await ledger.attribute()
    return numbers


async def rows_of(ledger: Ledger) -> list[Any]:
    touches = await ledger.db.fetch("SELECT * FROM touches ORDER BY touch_id")
    return [*touches, *await ledger.db.fetch("SELECT * FROM conversion_credits ORDER BY 1, 2"),
            *await ledger.db.fetch("SELECT * FROM conversion_events ORDER BY 1")]  # fmt: skip


def again(ledger: Ledger, **more: Any) -> Any:
    return recompute(ledger.url, START, END, **more)


def test_r32_recomputing_a_sound_ledger_changes_nothing(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await a_month(ledger)
        before = await rows_of(ledger)
        assert await again(ledger) == Recomputed(12, 0, [], [], 0)
        assert await rows_of(ledger) == before

    on_ledger(database_url, work, attribution_model="linear")


def test_what_differs_is_put_right_once_and_told(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        numbers = await a_month(ledger)
        # A click that nobody told the ledger about: no row in late_clicks.
        await ledger.click("C", ago(2.5), 2)
        dry = await again(ledger, is_dry_run=True)
        assert dry.changed == 1 and dry.changes[0].transaction_id == "T2"
        assert (dry.changes[0].before["touches"], dry.changes[0].after["touches"]) == (2, 3)
        assert len(await ledger.touches(numbers[1])) == 2
        done = await again(ledger)
        assert done.changes == dry.changes
        assert [value for _, value in await ledger.touches(numbers[1])] == [
            Decimal("1.00"), Decimal("1.00"), Decimal("1.00"),
        ]  # fmt: skip
        assert (await again(ledger)).changed == 0
        actions = await ledger.db.fetchval("SELECT count(*) FROM audit_logs WHERE action = 'reattribute'")
        assert actions == 1

    on_ledger(database_url, work, attribution_model="linear")


def test_approved_conversions_stay(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        numbers = await a_month(ledger)
        assert (await ledger.approve(numbers[1])).is_done
        await ledger.click("C", ago(2.5), 2)
        done = await again(ledger)
        assert (done.examined, done.changed, done.final) == (11, 0, 1)
        assert len(await ledger.touches(numbers[1])) == 2

    on_ledger(database_url, work)


def test_one_that_cannot_be_worked_out_stops_no_other(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await a_month(ledger)
        await ledger.db.execute(
            "UPDATE conversion_events SET terms = '{\"partners\": 7}' WHERE transaction_id = 'T3'"
        )
        await ledger.click("C", ago(2.5), 2)
        done = await again(ledger)
        assert [name for name, _ in done.failures] == ["T3"] and done.failures[0][1].startswith("unpriceable")
        assert [change.transaction_id for change in done.changes] == ["T2"]

    on_ledger(database_url, work)


def test_the_command_prints_the_difference(database_url: str, tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        await a_month(ledger)
        await ledger.click("C", ago(2.5), 2)

    on_ledger(database_url, work, attribution_model="linear")

    def run(*arguments: str) -> Any:
        return clickledger("recompute", *arguments, cwd=tmp_path, database_url=database_url)

    period = ("--from", "2026-06-01", "--to", "2026-07-01")
    dry = run(*period, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.splitlines()[0].startswith("T2: credits {") and "touches 2 -> 3" in dry.stdout
    assert dry.stdout.splitlines()[-1] == "12 conversions attributed again, 1 would change, 0 final."
    done = run(*period, "--json")
    assert json.loads(done.stdout)["changes"][0]["transaction_id"] == "T2"
    assert run(*period).stdout == "12 conversions attributed again, 0 changed, 0 final.\n"
    assert run("--from", "2026-07-01", "--to", "2026-06-01").returncode == 2
    assert run("--from", "yesterday", "--to", "2026-06-01").returncode == 2

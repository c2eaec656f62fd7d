"""Redis killed, frozen, emptied, full; the spool's disk full; door workers killed: every 302 is a click, always.

Each test drives real visitors through a real door and breaks the thing itself. The account at the end: click ids
answered = click ids kept, no more, no fewer.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schema import keys
from tests.doors import SHARDS, Door, running_door
from tests.lone_redis import LoneRedis, lone_redis
from tests.reports_bed import settle
from tests.visitors import Visitors


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoneRedis]:
    with lone_redis(tmp_path / "redis") as running:
        yield running


def assert_all_kept(door: Door, visitors: Visitors, earlier: int, seconds: float = 30.0) -> None:
    """The streams hold exactly the clicks that were answered, and the `earlier` ones; the writer folds repeated ids."""
    assert len(set(visitors.answered)) == len(visitors.answered) > 0
    deadline = time.monotonic() + seconds
    while True:
        kept = {click.click_id for click in door.clicks()}
        if kept.issuperset(visitors.answered) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert set(visitors.answered) - kept == set(), "a 302 was sent for a click that is nowhere"
    assert len(kept - set(visitors.answered)) <= visitors.broken + visitors.statuses[503] + earlier


def publish_known(door: Door) -> int:
    """A link the door holds in memory from now on; how many clicks were kept until then."""
    door.publish("known")
    settle(door)  # what is asked for in the very moment it changes is answered, not yet cached
    assert door.get("/known").status == 302
    wait_until(lambda: spool_bytes(door) == 0)
    return len({click.click_id for click in door.clicks()})


def spool_bytes(door: Door) -> int:
    return sum(path.stat().st_size for path in (door.data_dir / "spool").glob("*.spool"))


def wait_until(condition: object, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_redis_killed_and_restarted(server: LoneRedis, tmp_path: Path) -> None:
    """No visitor of a cached link notices; the spool comes home by itself and is gone."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        with Visitors(door.port, "known") as visitors:
            visitors.wait_answered()
            server.kill()
            visitors.wait_answered()
            wait_until(lambda: spool_bytes(door) > 0)
            server.start()
            visitors.wait_answered()
        assert set(visitors.statuses) == {302}
        assert visitors.broken == 0
        assert_all_kept(door, visitors, earlier)
        wait_until(lambda: spool_bytes(door) == 0)


def test_redis_frozen(server: LoneRedis, tmp_path: Path) -> None:
    """A Redis that answers nothing costs its budget once, then clicks go to the spool straight away."""
    with running_door(server.url, tmp_path, capture_budget_ms="1000") as door:
        earlier = publish_known(door)
        server.freeze()
        started = time.perf_counter()
        assert [door.get("/known").status for _ in range(20)] == [302] * 20
        assert time.perf_counter() - started < 10, "twenty budgets were waited for instead of one"
        server.thaw()
        wait_until(lambda: len({click.click_id for click in door.clicks()}) == earlier + 20)


def test_redis_away_again_while_the_spool_comes_home(server: LoneRedis, tmp_path: Path) -> None:
    """What went to the spool meanwhile comes home too, and Redis is used again."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        with Visitors(door.port, "known") as visitors:
            server.freeze()
            visitors.wait_answered(2_000)
            server.thaw()
            length = stream_length(door)
            while stream_length(door) == length:
                pass
            server.freeze()
            visitors.wait_answered()
            server.thaw()
            visitors.wait_answered()
        assert set(visitors.statuses) == {302}
        wait_until(lambda: spool_bytes(door) == 0)
        assert_all_kept(door, visitors, earlier)


def stream_length(door: Door) -> int:
    return sum(door.redis.xlen(keys.clicks(shard)) for shard in range(SHARDS))


def test_redis_refuses_writes(server: LoneRedis, tmp_path: Path) -> None:
    """maxmemory reached with noeviction: XADD errs, the spool takes over, and gives back when there is room."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        door.redis.config_set("maxmemory", "1")
        assert [door.get("/known").status for _ in range(20)] == [302] * 20
        door.redis.config_set("maxmemory", "0")
        wait_until(lambda: len({click.click_id for click in door.clicks()}) == earlier + 20)
        wait_until(lambda: spool_bytes(door) == 0)


def test_redis_comes_back_empty(server: LoneRedis, tmp_path: Path) -> None:
    """Nothing published: known links go on being served, unknown ones are 503, not 404, until the publisher is done."""
    with running_door(server.url, tmp_path) as door:
        publish_known(door)
        server.lose_everything()
        server.start()
        wait_until(
            lambda: door.get("/known").status == 302 and door.redis.exists(keys.clicks(0), keys.clicks(1))
        )
        assert door.get("/never-seen").status == 503
        door.publish("other")
        wait_until(lambda: door.get("/never-seen").status == 404)
        wait_until(lambda: door.get("/other").status == 302)


def test_a_door_started_without_redis(server: LoneRedis, tmp_path: Path) -> None:
    """It serves its last snapshot with the worker number it still holds; ids stay unique."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        assert door.stop() == 0
        server.kill()
        door.process = door.start()
        door.wait_ready()
        with Visitors(door.port, "known") as visitors:
            visitors.wait_answered()
        assert set(visitors.statuses) == {302}
        assert door.get("/unknown").status == 503
        server.start()
        assert_all_kept(door, visitors, earlier)


def test_a_door_that_never_had_redis(tmp_path: Path) -> None:
    """Nothing to mint with and nothing to serve: not ready, 503, and it recovers by itself when Redis appears."""
    with lone_redis(tmp_path / "redis") as server:
        server.kill()
        door = Door(server.url, tmp_path)
        try:
            wait_until(lambda: _answers(door))
            assert door.get("/-/readyz").status == 503
            assert door.get("/known").status == 503
            server.start()
            door.publish("known")
            wait_until(lambda: door.get("/known").status == 302)
        finally:
            door.close()


def _answers(door: Door) -> bool:
    try:
        return door.get("/-/healthz").status == 200
    except OSError:
        return False


def test_a_door_killed_while_spooling(server: LoneRedis, tmp_path: Path) -> None:
    """Its spool is brought home by the next door; a record torn by the crash was never answered."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        server.kill()
        with Visitors(door.port, "known") as visitors:
            wait_until(lambda: spool_bytes(door) > 0)
            visitors.wait_answered()
            door.process.kill()
            door.process.wait(timeout=10)
            time.sleep(0.05)
            (segment, *_) = (tmp_path / "spool").glob("*.spool")
            with segment.open("ab") as file:
                file.write(b"\x40\x00\x00\x00torn")
            server.start()
            door.process = door.start()
            visitors.wait_answered()
        assert_all_kept(door, visitors, earlier)
        wait_until(lambda: spool_bytes(door) == 0)
        assert [path.name for path in (tmp_path / "spool").iterdir()] == [segment.with_suffix(".torn").name]


def test_a_door_worker_killed_in_mid_load(server: LoneRedis, tmp_path: Path) -> None:
    """Two workers on one port, one killed five times: visitors reconnect, no answered click is missing or has another's id."""
    with running_door(server.url, tmp_path) as door:
        earlier = publish_known(door)
        second = door.start(slot=1)
        try:
            with Visitors(door.port, "known") as visitors:
                for _ in range(5):
                    time.sleep(0.5)
                    second.kill()
                    second.wait(timeout=10)
                    second = door.start(slot=1)
            assert_all_kept(door, visitors, earlier)
            ids = {click.click_id for click in door.clicks()}
            assert set(visitors.statuses) == {302}
            assert len(ids) - len(visitors.answered) - earlier <= visitors.broken
        finally:
            second.kill()
            second.wait(timeout=10)


def test_two_doors_never_share_a_worker_number(server: LoneRedis, tmp_path: Path) -> None:
    """Also when both start at the same moment from different machines."""
    with running_door(server.url, tmp_path / "one") as one, running_door(server.url, tmp_path / "two") as two:
        one.publish("known")
        with Visitors(one.port, "known", 2) as first, Visitors(two.port, "known", 2) as second:
            first.wait_answered()
            second.wait_answered()
        assert set(first.answered).isdisjoint(second.answered)
        numbers = {(click.click_id >> 11) & 1023 for click in one.clicks()}
        assert len(numbers) == 2


def test_a_full_spool_refuses_honestly(server: LoneRedis, tmp_path: Path) -> None:
    """Redis gone and the disk full: 503 rather than a click that is nowhere; all is well again afterwards."""
    spool = tmp_path / "spool"
    spool.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", spool], check=False).returncode
        == 0
    )
    if not mounted:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        with running_door(server.url, tmp_path) as door:
            before = publish_known(door)
            server.kill()
            with Visitors(door.port, "known") as visitors:
                wait_until(lambda: visitors.statuses[503] > 20)
            assert set(visitors.statuses) == {302, 503}
            server.start()
            assert_all_kept(door, visitors, before)
            wait_until(lambda: door.get("/known").status == 302)
            assert len(visitors.answered) + before <= len({click.click_id for click in door.clicks()})
    finally:
        os.sync()
        subprocess.run(["umount", "-l", spool], check=False)


def test_the_spool_has_a_limit(server: LoneRedis, tmp_path: Path) -> None:
    """SPOOL_MB_MAX, also without a full disk."""
    with running_door(server.url, tmp_path, spool_mb_max="1") as door:
        publish_known(door)
        server.kill()
        filler = tmp_path / "spool" / "00000000000000000000-1.spool"
        filler.write_bytes(b"\0" * 1024 * 1024)
        assert door.get("/known").status == 503
        filler.unlink()
        assert door.get("/known").status == 302


def test_a_disconnected_visitor_touches_nobody(server: LoneRedis, tmp_path: Path) -> None:
    """Connections that close in mid-request do not stop the recorder."""
    import socket

    with running_door(server.url, tmp_path) as door:
        door.publish("known")
        with Visitors(door.port, "known") as visitors:
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", door.port)) as connection:
                    connection.sendall(b"GET /known HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla\r\n\r\n" * 3)
        assert set(visitors.statuses) == {302}
        assert set(visitors.answered) <= {click.click_id for click in door.clicks()}

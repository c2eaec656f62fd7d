"""One door process: puts the rooms together, serves a socket until told to stop, leaves nothing behind.

The supervisor binds the port and hands each door process the socket and a slot (0, 1, …). On SIGTERM uvicorn stops
accepting and finishes what is in flight; then waiting clicks are brought home, the snapshot is written and the
worker number's reserved time is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from redirector.app import DoorApp, Tally
from redirector.appender import Appender
from redirector.entrance import Entrance
from redirector.link_cache import LinkCache
from redirector.protocol import AsgiProtocol, FastProtocol, sweep
from redirector.recorder import Recorder
from redirector.redirect import Caps, Redirector
from redirector.snapshot import SNAPSHOT_PERIOD_S, read_snapshots, write_snapshot
from redirector.spool import Spool
from redirector.stream_connection import StreamConnection, is_plain
from redirector.worker_number import NoWorkerNumber, WorkerNumber
from schema import keys
from schema.countries import Countries
from schema.logs import set_up_logs
from schema.redis_client import UNREACHABLE, connect_redis
from schema.settings import Settings

REQUEST_HEAD_S_MAX = 10
STOP_S_MAX = 10
COLLECT_AT = (20_000, 20, 50)
MEGABYTE = 1024 * 1024

_log = structlog.get_logger()


class Door:
    """The parts of a door process and their life. Create it inside a running event loop."""

    def __init__(self, settings: Settings, slot: int) -> None:
        assert settings.redis_url is not None
        self._settings = settings
        self._slot = slot
        data_dir: Path = settings.data_dir
        self._snapshots = data_dir / "snapshots"
        self._client = connect_redis(settings.redis_url, timeout_s=2.0, connections_max=64)
        self._follower = connect_redis(settings.redis_url, timeout_s=None, connections_max=2)
        self.links = LinkCache(self._client, self._follower, settings.link_cache_max, settings.fallback_url)
        self._connection = StreamConnection(settings.redis_url) if is_plain(settings.redis_url) else None
        command = self._connection.command if self._connection else self._client.execute_command
        append = Appender(command, [keys.clicks(shard) for shard in range(settings.stream_shards)], slot)
        self.recorder = Recorder(
            append,
            append.ping,
            Spool(data_dir / "spool", settings.spool_mb_max * MEGABYTE),
            settings.capture_budget_ms / 1000,
        )
        self.number = WorkerNumber(self._client, data_dir / "workers", slot)
        self.tally = Tally()
        redirector = Redirector(
            settings,
            self.links,
            self.recorder,
            self.number,
            Caps(self._client),
            Countries(settings.geoip_db, data_dir),
        )
        self.intake = Entrance(settings, self._client, command, self.links)
        self.app = DoorApp(settings, redirector, self.tally, lambda: self.number.is_held, self.intake)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Lease a number, find the links, begin the background work. Without Redis: from what is on disk."""
        with contextlib.suppress(NoWorkerNumber):
            await self.number.acquire()
        try:
            await self.links.begin_following()
        except UNREACHABLE as error:
            values = await asyncio.to_thread(read_snapshots, self._snapshots, self._settings.link_cache_max)
            self.links.preload(values)
            _log.warning("started_without_redis", error=repr(error), links=len(values))
        self.recorder.recover()
        self.intake.recover()
        for work in (self.links.follow(), self.number.keep_renewing(), self._count(), self._keep_snapshot()):
            self._tasks.append(asyncio.create_task(_supervised(work)))
        _log.info("door_started", slot=self._slot)

    async def stop(self) -> None:
        """Bring everything home. No request is being served any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.recorder.close()
        await self.intake.close()
        await self.number.release()
        self._write_snapshot()
        self.tally.export()
        if self._connection is not None:
            self._connection.close()
        await self._client.aclose()
        await self._follower.aclose()
        _log.info("door_stopped", slot=self._slot)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.tally.export()
            self.recorder.export()
            self.intake.export()
            self.links.count()

    async def _keep_snapshot(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_PERIOD_S)
            await asyncio.to_thread(self._write_snapshot)

    def _write_snapshot(self) -> None:
        try:
            write_snapshot(self._snapshots, self._slot, self.links.cached())
        except OSError as error:
            _log.error("snapshot_not_written", error=repr(error))


async def _supervised(work: Coroutine[Any, Any, None]) -> None:
    """Background work that ends is a bug; it is logged instead of vanishing with its task."""
    try:
        await work
    except Exception as error:
        _log.error("background_work_died", error=repr(error), exc_info=True)
        raise SystemExit(1) from error  # the supervisor starts a whole new door


class DoorServer(uvicorn.Server):
    """uvicorn's server with the door's start and stop around it."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the door, then listen."""
        await self._door.start()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AT)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: what uvicorn does, and once a second a sweep over the connections."""
        if counter % 10 == 0:
            sweep(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is in flight, then stop the door."""
        await super().shutdown(sockets)
        await self._door.stop()


def run_door(settings: Settings, sock: socket.socket, slot: int) -> None:
    """Serve `sock` until SIGTERM or SIGINT. Blocks; returns after a graceful stop."""
    set_up_logs(f"door-{slot}", settings.log_level)
    uvloop.run(_serve(settings, sock, slot))


async def _serve(settings: Settings, sock: socket.socket, slot: int) -> None:
    door = Door(settings, slot)
    config = uvicorn.Config(
        door.app,
        http=FastProtocol if settings.front_end == "fast" else AsgiProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=REQUEST_HEAD_S_MAX,
        timeout_graceful_shutdown=STOP_S_MAX,
    )
    await DoorServer(config, door).serve(sockets=[sock])

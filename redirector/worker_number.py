"""The worker number inside every click id: leased in Redis, remembered on disk.

No two doors hold the same number, so no two mint the same id. A lease lasts a day and is renewed every few seconds;
the file beside it lets a door that starts while Redis is away go on with the number it still holds. With each
renewal the holder reserves the milliseconds it may use until the next one: whoever gets the number after a crash
starts above them, so a clock that stepped back repeats nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

import orjson
import structlog

from schema import keys
from schema.ids import LEASED_WORKER_MAX, ClickIdMinter, wall_clock_ms
from schema.redis_client import UNREACHABLE, RedisClient

LEASE_MS = 24 * 3600 * 1000
RENEWAL_S = 5.0
RESERVED_MS = 15_000

_ACQUIRE = """
local now = tonumber(redis.call('TIME')[1]) * 1000
local free, floor = nil, 0
local held = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do held[tonumber(all[i])] = cjson.decode(all[i + 1]) end
for number = 0, tonumber(ARGV[4]) do
  local lease = held[number]
  if lease == nil or lease.until_ms < now then
    if free == nil then free, floor = number, lease and lease.high_ms or 0 end
  elseif lease.owner == ARGV[1] and lease.high_ms < tonumber(ARGV[3]) then
    free, floor = number, lease.high_ms
    break
  end
end
if free == nil then return nil end
local taken = {owner = ARGV[1], until_ms = now + tonumber(ARGV[2]), high_ms = floor}
redis.call('HSET', KEYS[1], free, cjson.encode(taken))
return {free, string.format('%.0f', floor)}
"""
_RENEW = """
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if lease and cjson.decode(lease).owner ~= ARGV[2] then return 0 end
local now = tonumber(redis.call('TIME')[1]) * 1000
local held = {owner = ARGV[2], until_ms = now + tonumber(ARGV[3]), high_ms = tonumber(ARGV[4])}
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(held))
return 1
"""

_log = structlog.get_logger()


class NoWorkerNumber(Exception):
    """No number can be had: Redis is away and this machine holds no lease, or all numbers are leased."""


class WorkerNumber:
    """The lease of one door process; `minter` mints with it. One per slot, guarded by a lock on its file."""

    def __init__(self, client: RedisClient, directory: Path, slot: int) -> None:
        self._client: Any = client
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / f"worker-{slot}.json"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NoWorkerNumber(f"another door runs as slot {slot} in this data directory") from None
        self._owner = ""
        self._number = -1
        self._until_ms = 0
        self.minter: ClickIdMinter | None = None
        """Mints ids with the number; None while none is held, which without Redis is after a day."""

    @property
    def is_held(self) -> bool:
        """Whether ids can be minted."""
        return self.minter is not None

    async def acquire(self) -> None:
        """Lease a number, or go on with the one on disk while Redis is away. Raises NoWorkerNumber."""
        stored = self._read()
        self._owner = stored.get("owner") or secrets.token_hex(16)
        now = wall_clock_ms()
        try:
            answer = await self._client.eval(
                _ACQUIRE, 1, keys.WORKERS, self._owner, LEASE_MS, now, LEASED_WORKER_MAX
            )
        except UNREACHABLE as error:
            if now >= stored.get("until_ms", 0):
                raise NoWorkerNumber("Redis is away and no lease is on disk") from error
            self._hold(stored["number"], stored["high_ms"], stored["until_ms"])
            return
        if answer is None:
            raise NoWorkerNumber("all worker numbers are leased")
        self._hold(
            int(answer[0]), max(int(answer[1]), self._disk_floor(stored, int(answer[0]))), now + LEASE_MS
        )
        await self.renew()

    @staticmethod
    def _disk_floor(stored: dict[str, Any], number: int) -> int:
        """What this machine reserved of that number while Redis did not hear of it."""
        return int(stored["high_ms"]) if stored.get("number") == number else 0

    def _hold(self, number: int, floor_ms: int, until_ms: int) -> None:
        self._number, self._until_ms = number, until_ms
        self.minter = ClickIdMinter(number, floor_ms=floor_ms)
        _log.info("worker_number_held", number=number)

    async def renew(self) -> None:
        """Extend the lease and reserve time ahead, on disk always, in Redis when it answers."""
        assert self.minter is not None
        high_ms = max(self.minter.last_ms, wall_clock_ms()) + RESERVED_MS
        asked_ms = wall_clock_ms()
        try:
            is_ours = await self._client.eval(
                _RENEW, 1, keys.WORKERS, self._number, self._owner, LEASE_MS, high_ms
            )
        except UNREACHABLE:
            self._write(high_ms)
            if wall_clock_ms() >= self._until_ms:
                _log.error("worker_number_ran_out", number=self._number)
                self.minter = None
            return
        if not is_ours:
            _log.error("worker_number_taken", number=self._number)
            self.minter = None
            await self.acquire()
            return
        self._until_ms = asked_ms + LEASE_MS
        self._write(high_ms)

    async def keep_renewing(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(RENEWAL_S)
            try:
                await (self.renew() if self.minter is not None else self.acquire())
            except NoWorkerNumber as error:
                _log.error("worker_number_missing", error=str(error))
            except OSError as error:
                _log.error("worker_number_not_written", error=repr(error))

    async def release(self) -> None:
        """Give back the reserved time, so that the next start continues where this one ended."""
        if self.minter is None:
            return
        last_ms = self.minter.last_ms
        self._write(last_ms)
        try:
            await self._client.eval(_RENEW, 1, keys.WORKERS, self._number, self._owner, LEASE_MS, last_ms)
        except UNREACHABLE:
            _log.info("worker_number_kept_on_disk", number=self._number)

    def _read(self) -> dict[str, Any]:
        try:
            stored = orjson.loads(os.pread(self._descriptor, 4096, 0))
        except orjson.JSONDecodeError:
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write(self, high_ms: int) -> None:
        lease = {"owner": self._owner, "number": self._number, "until_ms": self._until_ms, "high_ms": high_ms}
        # Padded to one length and written in one call: a torn lease would be a lost number.
        os.pwrite(self._descriptor, orjson.dumps(lease).ljust(256), 0)
        os.fdatasync(self._descriptor)

"""The spool: where blocks go that Redis could not acknowledge, and how they come back.

Append-only segment files in one directory, each record `length, crc32, stamp, payload`, synced before the caller is
told. A segment is held under a lock by the process that writes it; whoever finds one unlocked (its writer closed it
or died) may replay and delete it, so a killed worker's clicks are brought home by any other. Blocking: the recorder
calls it from a thread of its own.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import structlog

SEGMENT_BYTES_MAX = 16 * 1024 * 1024
NEARLY_FULL = 0.8
_RECORD = struct.Struct("<II")
_log = structlog.get_logger()


class SpoolFull(Exception):
    """The spool reached its limit or its disk refused the write; the block is not kept."""


class Spool:
    """The spool directory as one door process sees it."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._segment: Segment | None = None
        self._is_warned = False
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def append(self, payload: bytes) -> None:
        """Write one block and sync it. Raises SpoolFull when it cannot be kept."""
        waiting = self.bytes_waiting() + len(payload)
        if waiting > self._bytes_max:
            raise SpoolFull(f"the spool holds its limit of {self._bytes_max} bytes")
        self._warn(waiting)
        try:
            if self._segment is None or self._segment.size > SEGMENT_BYTES_MAX:
                self.close()
                self._segment = Segment.create(self._directory)
            self._segment.append(payload)
        except OSError as error:
            raise SpoolFull(str(error)) from error

    def _warn(self, waiting: int) -> None:
        """Say once that the spool fills up, and again only after it has emptied."""
        is_nearly_full = waiting > self._bytes_max * NEARLY_FULL
        if is_nearly_full and not self._is_warned:
            _log.error("spool_nearly_full", bytes=waiting, bytes_max=self._bytes_max)
        self._is_warned = is_nearly_full

    @property
    def is_open(self) -> bool:
        """Whether a segment is being written, which nobody can replay until it is closed."""
        return self._segment is not None

    def close(self) -> None:
        """Let go of the segment being written, so that it may be replayed."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def bytes_waiting(self) -> int:
        """Bytes in the directory, those of other processes included."""
        total = 0
        for entry in os.scandir(self._directory):
            if entry.name.endswith(".spool"):
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue  # replayed by somebody else just now
        return total

    def abandoned(self) -> Iterator[Segment]:
        """The segments nobody writes any more, oldest first, each held until it is closed or deleted."""
        for path in sorted(self._directory.glob("*.spool")):
            segment = Segment.take(path)
            if segment is not None:
                yield segment


class Segment:
    """One locked spool file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, directory: Path) -> Segment:
        """A new empty segment, its directory entry synced."""
        path = directory / f"{time.time_ns():020d}-{os.getpid()}.spool"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        directory_descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory_descriptor)
        finally:
            os.close(directory_descriptor)
        return cls(path, descriptor)

    @classmethod
    def take(cls, path: Path) -> Segment | None:
        """The segment at `path` if nobody holds it and it still exists."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_linked = os.fstat(descriptor).st_nlink > 0
        except BlockingIOError:
            is_linked = False
        if is_linked:
            return cls(path, descriptor)
        os.close(descriptor)
        return None

    def append(self, payload: bytes) -> None:
        """Write and sync one record; a record the disk took only in part is cut off again. Raises OSError."""
        record = _RECORD.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            written = 0
            while written < len(record):
                written += os.write(self._descriptor, record[written:])
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(record)

    def payloads(self) -> Iterator[bytes]:
        """The whole records, in order. Ends at a torn tail, which was never acknowledged to anybody."""
        position = 0
        while position + _RECORD.size <= self.size:
            length, checksum = _RECORD.unpack(os.pread(self._descriptor, _RECORD.size, position))
            payload = os.pread(self._descriptor, length, position + _RECORD.size)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                break
            position += _RECORD.size + length
            yield payload
        self.torn_bytes = self.size - position

    torn_bytes = 0
    """Bytes at the end that are no whole record; known after `payloads` was read to its end."""

    def delete(self) -> None:
        """Remove the segment; all its clicks are acknowledged elsewhere."""
        if self.torn_bytes:
            # A tail cut by a crash is normal; kept aside because a damaged disk looks the same from here.
            _log.warning("spool_torn_tail", segment=self.path.name, torn_bytes=self.torn_bytes)
            self.path.rename(self.path.with_suffix(".torn"))
        else:
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

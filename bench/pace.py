"""Load at a constant rate over keep-alive connections, and what each visitor waited.

A request is due when the rate says so, whether or not earlier ones were answered, and its latency counts from that
moment: a server that stalls is charged for everybody who would have come meanwhile (no coordinated omission). Without
a rate every connection asks again as soon as it is answered. One thread on an epoll of its own: an event loop would
cost more per request than the servers measured. Run as `python -m bench.pace` by `generator.py`.
"""

from __future__ import annotations

import argparse
import gc
import random
import select
import socket
import sys
import time
from array import array
from collections.abc import Callable
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

DRAIN_S_MAX = 10.0
LATE_S = 0.001
LONGEST_SLEEP_S = 0.05


class Paced(NamedTuple):
    """What was seen. `late` counts requests that this generator, not the server, sent over a millisecond late."""

    sent: int
    answered: int
    failed: int
    late: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float

    @property
    def per_second(self) -> float:
        """Answers."""
        return self.answered / self.seconds


class Connection:
    """One keep-alive connection and the request it carries."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = 0.0
        self._received = b""

    def read(self) -> bytes | None:
        """The whole answer once it is here. Raises OSError where the server hung up."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        data = self._received + data
        end = data.find(b"\r\n\r\n")
        is_whole = end >= 0 and len(data) >= end + 4 + _content_length(data[:end])
        self._received = b"" if is_whole else data
        return data if is_whole else None


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r")[0]) if found else 0


class Schedule:
    """When requests are due: `rate` a second for so long, or without a rate whenever a connection is free."""

    def __init__(self, rate: float | None, seconds: float) -> None:
        self.started = time.perf_counter()
        self.ends = self.started + seconds
        self.wanted = round(rate * seconds) if rate else sys.maxsize
        self._rate = rate

    def count(self, now: float) -> int:
        """Requests due by now."""
        if self._rate is None:
            return sys.maxsize if now < self.ends else 0
        return min(self.wanted, int((now - self.started) * self._rate) + 1)

    def moment(self, number: int, now: float) -> float:
        """When that request is due."""
        return now if self._rate is None else self.started + number / self._rate


class Pace:
    """One run of load. `request` makes the bytes of the next request, `answer` is the status wished for."""

    def __init__(self, url: str, connections: int, request: Callable[[], bytes], answer: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._request = request
        self._answer = f"HTTP/1.1 {answer}".encode()
        self._epoll = select.epoll()
        self._busy: dict[int, Connection] = {}
        self._idle: dict[int, Connection] = {}
        """In the order in which they became idle: all take their turn, so none is closed for being idle."""
        for _ in range(connections):
            self._connect()
        self._latencies = array("d")
        self._sent = self._failed = self._late = 0
        self._was_free = True
        """Whether a connection was free ever since the last request: only then is lateness our own."""

    def _connect(self) -> None:
        connection = Connection(self._address)
        self._epoll.register(connection.socket.fileno(), select.EPOLLIN)
        self._idle[connection.socket.fileno()] = connection

    def run(self, schedule: Schedule) -> Paced:
        """Send what is due, wait for the answers still on their way, hang up."""
        while (now := time.perf_counter()) < schedule.ends + DRAIN_S_MAX:
            self._send(schedule, now)
            if not self._busy and (now >= schedule.ends or self._sent == schedule.wanted):
                break
            is_next_awaited = self._idle and now < schedule.ends
            self._receive(schedule.moment(self._sent, now) - now if is_next_awaited else LONGEST_SLEEP_S)
        paced = self._paced(time.perf_counter() - schedule.started)
        for connection in (*self._idle.values(), *self._busy.values()):
            connection.socket.close()
        self._epoll.close()
        return paced

    def _send(self, schedule: Schedule, now: float) -> None:
        """What is due, as far as connections are free."""
        due = schedule.count(now)
        is_late = self._was_free and now - schedule.moment(self._sent, now) > LATE_S
        while self._idle and self._sent < due:
            descriptor = next(iter(self._idle))
            connection = self._idle.pop(descriptor)
            try:
                connection.socket.send(self._request())
            except OSError:  # hung up while idle: a browser opens another, and so do we
                connection.socket.close()
                self._connect()
                continue
            connection.due = schedule.moment(self._sent, now)
            self._busy[descriptor] = connection
            self._sent += 1
            self._late += is_late
        self._was_free = bool(self._idle)

    def _receive(self, wait_s: float) -> None:
        """What came; sleep until something does or the next request is due."""
        events = self._epoll.poll(0)
        if not events and wait_s > 0:  # select sleeps by microseconds, epoll by milliseconds
            select.select([self._epoll], [], [], min(wait_s, LONGEST_SLEEP_S))
            events = self._epoll.poll(0)
        for descriptor, _ in events:
            if descriptor in self._busy:
                self._take(descriptor)
            else:
                self._idle.pop(descriptor).socket.close()
                self._connect()

    def _take(self, descriptor: int) -> None:
        connection = self._busy[descriptor]
        try:
            answer = connection.read()
        except BlockingIOError:
            return
        except OSError:
            del self._busy[descriptor]
            connection.socket.close()
            self._failed += 1
            self._connect()
            return
        if answer is not None:
            self._latencies.append(time.perf_counter() - connection.due)
            self._failed += not answer.startswith(self._answer)
            self._idle[descriptor] = self._busy.pop(descriptor)

    def _paced(self, seconds: float) -> Paced:
        ordered = sorted(self._latencies)
        times = (
            [1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99, 0.999)]
            if ordered
            else [0.0] * 3
        )
        failed = self._failed + len(self._busy)
        return Paced(self._sent, len(ordered), failed, self._late, seconds, times[0], times[1], times[2])


def requests(head: bytes, tail: bytes, numbers: int, is_zipf: bool) -> Callable[[], bytes]:
    """Makes requests for `head`, a number below `numbers`, `tail`: each number in turn, or low ones far more often."""
    if is_zipf:
        chance = random.Random(1).random
        return lambda: b"%s%d%s" % (head, int(numbers ** chance()) - 1, tail)
    turn = count(0, 7)
    return lambda: b"%s%d%s" % (head, next(turn) % numbers, tail)


def main() -> None:
    """Print the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.pace", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, help="requests a second; as fast as answers come by default")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--prefix", default="/l", help="what stands before the number")
    parser.add_argument("--numbers", type=int, default=1000)
    parser.add_argument("--zipf", action="store_true", help="low numbers far more often")
    parser.add_argument("--headers", default="", help="header lines, each ending in CR LF")
    parser.add_argument("--answer", type=int, default=302)
    given = parser.parse_args()
    gc.disable()  # nothing here is in a cycle, and a collection would look like a slow server
    tail = f" HTTP/1.1\r\nHost: bench\r\n{given.headers}\r\n".encode()
    request = requests(f"GET {given.prefix}".encode(), tail, given.numbers, given.zipf)
    paced = Pace(given.url, given.connections, request, given.answer).run(Schedule(given.rate, given.seconds))
    sys.stdout.write(orjson.dumps(paced._asdict()).decode() + "\n")


if __name__ == "__main__":
    main()

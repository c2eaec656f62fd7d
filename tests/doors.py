"""A real door process on a real Redis, for tests: start it, publish links to it, talk to it, read what it kept."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import redis

from schema import keys
from schema.events import ClickEvent, decode_block
from schema.links import PublishedLink, encode_link

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
SHARDS = 2
PATIENT_MS = "10000"
"""A capture budget for tests that look into the streams: on a slow machine a Redis that is well must not count as away."""


class Reply(NamedTuple):
    """An answer of the door; header names in lower case, in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for given, value in self.headers if given == name), None)

    @property
    def location(self) -> str:
        """Where it sends the visitor; empty when nowhere."""
        return self.get("location") or ""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies it sets, with their attributes."""
        pairs = [value.partition("=") for name, value in self.headers if name == "set-cookie"]
        return {name: value for name, _, value in pairs}


class Door:
    """One running door. `redis` is the same Redis, seen from the test."""

    def __init__(self, redis_url: str, data_dir: Path, **settings: str) -> None:
        self.redis_url = redis_url
        self.data_dir = data_dir
        self.redis = redis.Redis.from_url(redis_url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(2048)
        self.port: int = self.socket.getsockname()[1]
        self._settings = settings
        self.process = self.start()

    def start(self, slot: int = 0) -> subprocess.Popen[bytes]:
        """A door process on the shared socket."""
        given = {f"CLICKLEDGER_{name.upper()}": value for name, value in self._settings.items()}
        given |= {"CLICKLEDGER_REDIS_URL": self.redis_url, "CLICKLEDGER_STREAM_SHARDS": str(SHARDS)}
        descriptor = self.socket.fileno()
        command = [sys.executable, "-m", "clickledger.child", "door", "--data-dir", str(self.data_dir)]
        return subprocess.Popen(
            [*command, "--fd", str(descriptor), "--slot", str(slot)],
            pass_fds=(descriptor,),
            env=os.environ | given,
            cwd=Path(__file__).parent.parent,
        )

    def publish(self, code: str, destination: str = "https://shop.example/p", **terms: Any) -> None:
        """Put a link into Redis the way the publisher does: the value, then the change."""
        link = PublishedLink(link_id=terms.pop("link_id", 1), code=code, destination=destination, **terms)
        self.redis.set(keys.link(code), encode_link(link))
        self.redis.set(keys.PUBLISHED, 1)
        self.redis.xadd(keys.LINK_CHANGES, {"c": code})

    def get(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """One request on a connection of its own. Underscores in header names become dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"User-Agent": BROWSER} | {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, headers=sent)
            response = connection.getresponse()
            found = [(name.lower(), value) for name, value in response.getheaders()]
            return Reply(response.status, found, response.read())

    def in_turn(self, *requests: bytes) -> bytes:
        """The answers without body to requests sent one after the other on one kept connection."""
        answers = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            for number, request in enumerate(requests, start=1):
                connection.sendall(request)
                while answers.count(b"\r\n\r\n") < number:
                    piece = connection.recv(65536)
                    if not piece:
                        return answers
                    answers += piece
        return answers

    def raw(self, request: bytes) -> bytes:
        """Whatever comes back for these bytes until the door closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=3) as connection:
            connection.sendall(request)
            received = b""
            with contextlib.suppress(TimeoutError):
                while piece := connection.recv(65536):
                    received += piece
            return received

    def wait_ready(self, seconds: float = 15.0) -> None:
        """Until the door can redirect and keep clicks."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/-/readyz").status == 200:
                    return
            time.sleep(0.02)
        raise AssertionError("the door did not become ready")

    def clicks(self) -> list[ClickEvent]:
        """Every click in the streams, in id order."""
        events: list[ClickEvent] = []
        for shard in range(SHARDS):
            for _, fields in self.redis.xrange(keys.clicks(shard)):
                good, bad = decode_block(fields[b"b"])
                assert not bad
                events += good
        return sorted(events)

    def stop(self) -> int:
        """End it gracefully; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def close(self) -> None:
        """End it in any case."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)
        self.socket.close()
        self.redis.close()


@contextlib.contextmanager
def running_door(redis_url: str, data_dir: Path, **settings: str) -> Iterator[Door]:
    """A door that is ready, and gone afterwards."""
    door = Door(redis_url, data_dir, **settings)
    try:
        door.wait_ready()
        yield door
    finally:
        door.close()

"""The servers the door is measured against, each a process on a given core. Their sources are in `bench/servers`: real
programs, to be read by whoever doubts that the comparison is fair.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bench.installs import DEBIAN, SERVERS, nginx_libraries, nginx_program, node_server
from clickledger.engines.engine import free_port


class Server(NamedTuple):
    """A running server: its address, and the process whose CPU time, children included, is the server's."""

    url: str
    pid: int


Start = Callable[[str, Path, int | None], AbstractContextManager[Server]]
"""Starts one: the URL of Redis, a folder for files, a core."""


@contextmanager
def bare_uvicorn(redis_url: str, folder: Path, core: int | None) -> Iterator[Server]:
    """An empty ASGI application; Redis is not asked."""
    port = free_port()
    with _serving([sys.executable, str(SERVERS / "bare_uvicorn.py")], port, core, {}) as server:
        yield server


@contextmanager
def starlette_redis(redis_url: str, folder: Path, core: int | None) -> Iterator[Server]:
    """Starlette and redis-py: GET and XADD for each request."""
    port = free_port()
    settings = {"REDIS_URL": redis_url, "STREAM": stream_of("starlette_redis")}
    with _serving([sys.executable, str(SERVERS / "starlette_redis.py")], port, core, settings) as server:
        yield server


@contextmanager
def fastify_ioredis(redis_url: str, folder: Path, core: int | None) -> Iterator[Server]:
    """Fastify and ioredis: GET and XADD for each request. Raises Missing."""
    port = free_port()
    settings = {"REDIS_URL": redis_url, "STREAM": stream_of("fastify_ioredis"), "NODE_ENV": "production"}
    with _serving(["node", str(node_server())], port, core, settings) as server:
        yield server


@contextmanager
def nginx_static(redis_url: str, folder: Path, core: int | None) -> Iterator[Server]:
    """nginx with a constant answer. Raises Missing."""
    with _nginx("nginx_static.conf", folder, core, {}) as server:
        yield server


@contextmanager
def nginx_lua(redis_url: str, folder: Path, core: int | None) -> Iterator[Server]:
    """nginx with lua and a pool of Redis connections: GET and XADD for each request. Raises Missing."""
    parts = urlsplit(redis_url)
    settings = {
        "REDIS_HOST": parts.hostname or "127.0.0.1",
        "REDIS_PORT": str(parts.port or 6379),
        "STREAM": stream_of("nginx_lua"),
    }
    if parts.password:
        settings["REDIS_PASSWORD"] = unquote(parts.password)
    with _nginx("nginx_lua.conf", folder, core, settings) as server:
        yield server


@contextmanager
def _nginx(
    configuration: str, folder: Path, core: int | None, settings: Mapping[str, str]
) -> Iterator[Server]:
    program, port = nginx_program(), free_port()
    folder.mkdir(parents=True)
    text = (SERVERS / configuration).read_text().replace("PORT;", f"{port};").replace("DEBIAN", str(DEBIAN))
    (folder / "nginx.conf").write_text(text)
    command = [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with _serving(command, port, core, {"LD_LIBRARY_PATH": nginx_libraries(), **settings}) as server:
        yield server


@contextmanager
def _serving(
    command: list[str], port: int, core: int | None, settings: Mapping[str, str]
) -> Iterator[Server]:
    with pinned(command, core, env=os.environ | {"PORT": str(port), **settings}) as process:
        await_server(port, "/l0")
        yield Server(f"http://127.0.0.1:{port}", process.pid)


def stream_of(name: str) -> str:
    """Where the server of that name keeps its clicks, one entry each."""
    return f"clicks:{name}"


@contextmanager
def pinned(command: list[str], core: int | None, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process on one core (anywhere for None), ended at the end of the block."""
    place = [] if core is None else ["taskset", "-c", str(core)]
    process = subprocess.Popen(place + command, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def await_server(port: int, path: str = "/-/readyz", seconds: float = 20.0) -> None:
    """Until something answers on that port with less than 500. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass  # not there yet
        finally:
            connection.close()
        time.sleep(0.01)
    raise TimeoutError(f"nothing answered on port {port}")

"""The servers the door is measured against, each a process on a given core. `bare_uvicorn` is the ceiling of ASGI in
Python: a 302 with nothing behind it.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clickledger.engines.engine import free_port

BARE_UVICORN = """
import sys, uvicorn
HEADERS = [(b"location", b"https://shop.example/p"), (b"content-length", b"0")]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 302, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", lifespan="off", log_level="error",
            access_log=False, server_header=False)
"""


@contextmanager
def bare_uvicorn(core: int | None) -> Iterator[str]:
    """An empty ASGI application answering every path with the same 302; its address."""
    port = free_port()
    with pinned([sys.executable, "-c", BARE_UVICORN, str(port)], core):
        await_server(port)
        yield f"http://127.0.0.1:{port}"


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
        time.sleep(0.05)
    raise TimeoutError(f"nothing answered on port {port}")

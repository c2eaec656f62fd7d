"""The ceiling of ASGI in Python: uvicorn answering every path with the same 302, and nothing behind it.

Run by the redirect bench as `python bare_uvicorn.py`; PORT is in the environment.
"""

import os
from typing import Any

import uvicorn

HEADERS = [(b"location", b"https://shop.example/p"), (b"content-length", b"0")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer."""
    await send({"type": "http.response.start", "status": 302, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(os.environ["PORT"]), http="httptools", loop="uvloop", lifespan="off",
        log_level="error", access_log=False, server_header=False,
    )  # fmt: skip

"""The obvious door in Python: a Starlette route that asks Redis for the link, appends the click, and redirects.

No cookie, no click id, no class: less than a door must do. uvloop, httptools and hiredis are what make it fast. Run by
the redirect bench as `python starlette_redis.py`; PORT, REDIS_URL and STREAM are in the environment.
"""

import os

import redis.asyncio as redis
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
STREAM = os.environ["STREAM"]


async def follow(request: Request) -> Response:
    """Ask, append, redirect."""
    code = request.path_params["code"]
    destination = await client.get(f"destination:{code}")
    if destination is None:
        return Response(status_code=404)
    headers = request.headers
    click = {
        "code": code,
        "ip": request.client.host if request.client else "",
        "agent": headers.get("user-agent", ""),
        "referrer": headers.get("referer", ""),
    }
    await client.xadd(STREAM, click)  # type: ignore[arg-type]
    return RedirectResponse(str(destination), 302)


app = Starlette(routes=[Route("/{code}", follow)])

if __name__ == "__main__":
    uvicorn.run(
        app, port=int(os.environ["PORT"]), http="httptools", loop="uvloop", lifespan="off",
        log_level="error", access_log=False, server_header=False,
    )  # fmt: skip

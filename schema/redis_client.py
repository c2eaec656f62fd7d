"""Opens Redis (or Valkey, or a Redis Cluster) the one way Clickledger uses it: bytes in, bytes out, RESP2 shapes.

redis-py's defaults (5 s socket timeout, ten silent retries) would break blocking reads and repeat appends, so
both are stated here. Every room that speaks Redis gets its client from `connect_redis`.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit, urlunsplit

import redis.asyncio as redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

RedisClient: TypeAlias = "redis.Redis | RedisCluster"

UNREACHABLE = (RedisError, OSError, TimeoutError)
"""What a caller catches where Redis may be away."""


def connect_redis(url: str, *, timeout_s: float | None = 5.0, connections_max: int = 16) -> RedisClient:
    """A client for that URL; nothing is sent before the first command. `timeout_s=None` is for blocking reads."""
    parts = urlsplit(url)
    is_cluster = parse_qs(parts.query).get("cluster", ["false"])[0].lower() == "true"
    options: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": 2.0,
        "max_connections": connections_max,
    }
    if is_cluster:
        plain = urlunsplit(parts._replace(query=""))
        return RedisCluster.from_url(plain, **options)
    client: redis.Redis = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    return client

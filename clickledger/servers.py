"""Settings for a command that needs a server, and a sentence where the server is not there.

Every command but `up` starts here. A server is named by a variable, or belongs to an `up` that is running in the
data directory now.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any

from clickledger.errors import StartError
from schema.settings import Settings, load_settings


def settings_for(*, needs_database: bool = False, needs_redis: bool = False, **overrides: Any) -> Settings:
    """The settings, each needed server named. Raises BadSettings or StartError."""
    settings, named = load_settings(**overrides), named_settings(**overrides)
    for is_needed, name, server in (
        (needs_database, "database_url", "PostgreSQL"),
        (needs_redis, "redis_url", "Redis"),
    ):
        if is_needed and getattr(named, name) is None and not (getattr(settings, name) and is_up(settings)):
            raise StartError(
                f"There is no {server} to use: start `clickledger up` in {settings.data_dir} first, "
                f"or set CLICKLEDGER_{name.upper()}."
            )
    return settings


def named_settings(**overrides: Any) -> Settings:
    """The settings without the addresses an `up` may have left: only servers that somebody named."""
    load_settings(**overrides)  # complains about everything at once
    return Settings(**{name: value for name, value in overrides.items() if value is not None})


def is_up(settings: Settings) -> bool:
    """Whether a clickledger holds the data directory now."""
    try:
        lock = os.open(settings.data_dir / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def sentence_for(error: Exception) -> str | None:
    """What to tell a human where a server did not answer, or None if the error is something else."""
    from schema.postgres import UNREACHABLE as POSTGRES_AWAY
    from schema.redis_client import UNREACHABLE as REDIS_AWAY

    module = type(error).__module__.partition(".")[0]
    detail = str(error).strip().partition("\n")[0] or type(error).__name__
    if module == "redis":
        return f"Redis did not answer as expected: {detail}"
    if module == "asyncpg":
        return f"PostgreSQL did not answer as expected: {detail}"
    if isinstance(error, (*POSTGRES_AWAY, *REDIS_AWAY)):
        return f"A server or file could not be reached: {detail}"
    return None

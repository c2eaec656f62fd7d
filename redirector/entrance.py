"""The way to the conversion endpoints, which are loaded when somebody first asks for one.

A door that only redirects never imports them. A spool that a crash left with reports in it opens them too, so that
it is replayed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from redirector.appender import Command
from redirector.link_cache import LinkCache
from schema.redis_client import RedisClient
from schema.settings import Settings

if TYPE_CHECKING:
    from redirector.intake.room import IntakeRoom

SPOOL_FOLDER = "spool-conversions"


class Entrance:
    """The ASGI callable of the conversion endpoints of one door process."""

    def __init__(self, settings: Settings, client: RedisClient, command: Command, links: LinkCache) -> None:
        self._settings = settings
        self._client = client
        self._command = command
        self._links = links
        self._spool: Path = settings.data_dir / SPOOL_FOLDER
        self.room: IntakeRoom | None = None
        """None until somebody reports something."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self.room or self._open())(scope, receive, send)

    def recover(self) -> None:
        """Bring home what an earlier process left in the spool."""
        if any(self._spool.glob("*.spool")):
            self._open()

    def _open(self) -> IntakeRoom:
        from redirector.intake.room import IntakeRoom

        self.room = IntakeRoom(self._settings, self._client, self._command, self._spool)
        self._links.also_tell = self.room.credentials.forget
        return self.room

    def export(self) -> None:
        """Bring the metrics up to date."""
        if self.room is not None:
            self.room.recorder.export()

    async def close(self) -> None:
        """Bring home what is waiting."""
        if self.room is not None:
            await self.room.close()

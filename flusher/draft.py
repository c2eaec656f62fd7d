"""The draft of one stored click: what the door saw, and what the writer has found out about it so far.

`enrich` makes drafts from events and fills in what the event itself tells; `classes` adds class and uniqueness,
which depend on earlier clicks; `rows` turns the finished draft into a row.
"""

from __future__ import annotations

from schema.agents import Agent
from schema.events import ClickEvent
from schema.ids import MS_SHIFT

UNKNOWN_AGENT = Agent("other", None, None, None)


class Draft:
    """A click on its way to its row. `entry_id` and `position` say where in the stream it came from."""

    __slots__ = (
        "address",
        "agent",
        "at_ms",
        "class_reason",
        "click_class",
        "click_id",
        "cookie_id",
        "country",
        "entry_id",
        "event",
        "is_unique",
        "packed",
        "packed_delta",
        "position",
        "visitor_hash",
        "visitor_neighbours",
        "visitors",
    )

    def __init__(self, event: ClickEvent, entry_id: str, position: int) -> None:
        self.event = event
        self.entry_id = entry_id
        self.position = position
        self.click_id = event.click_id
        self.at_ms = event.click_id >> MS_SHIFT
        self.cookie_id: str | None = None
        self.agent = UNKNOWN_AGENT
        self.country: str | None = None
        self.address: bytes | None = None
        self.visitor_hash: int | None = None
        self.visitor_neighbours: tuple[int, ...] = ()
        self.visitors: tuple[tuple[int, str | int], ...] = ()
        self.click_class = "valid"
        self.class_reason: str | None = None
        self.is_unique = False
        self.packed = b""
        self.packed_delta = b""

    def move_to(self, click_id: int) -> None:
        """Give an imported click its final id (of the same millisecond)."""
        self.click_id = click_id

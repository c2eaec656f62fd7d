"""Revision 0006: long periods are read a week at a time, and what was sold by its value."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Additive: the writer closes the weeks there are already, the oldest first, while days answer for them."""
    execute_files("r0006_01_weeks.sql")

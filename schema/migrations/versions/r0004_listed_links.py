"""Revision 0004: links are found by word, owner and standing, among a million of them."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Additive: the links there are already are listed here, once."""
    execute_files("r0004_01_listed_links.sql")

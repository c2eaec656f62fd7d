"""Revision 0003: what happened, counted as it happens. Read the SQL files in this order."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Additive: what is stored already is counted here, once."""
    execute_files(
        "r0003_01_clicks.sql",
        "r0003_02_sales.sql",
        "r0003_03_tenancy.sql",
        "r0003_04_first_count.sql",
    )

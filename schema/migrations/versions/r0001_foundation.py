"""Revision 0001: every table of the data dictionary and those the engine adds. Read the SQL files in this order."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Forward only: there is no way down, a mistake is corrected by the next revision."""
    execute_files(
        "r0001_1_core.sql",
        "r0001_2_campaigns.sql",
        "r0001_3_links.sql",
        "r0001_4_tracking.sql",
        "r0001_5_engine.sql",
        "r0001_6_publishing.sql",
    )

"""Revision 0001: every table of the data dictionary and those the engine adds. Read the SQL files in this order."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Forward only: there is no way down, a mistake is corrected by the next revision."""
    execute_files(
        "r0001_01_core.sql",
        "r0001_02_campaigns.sql",
        "r0001_03_links.sql",
        "r0001_04_tracking.sql",
        "r0001_05_engine.sql",
        "r0001_06_publishing.sql",
        "r0001_07_conversions.sql",
        "r0001_08_payouts.sql",
        "r0001_09_operations.sql",
        "r0001_10_lifecycles.sql",
        "r0001_11_tenancy.sql",
    )

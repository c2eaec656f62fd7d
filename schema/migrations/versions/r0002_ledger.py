"""Revision 0002: conversions come in and the ledger credits them. Read the SQL files in this order."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Additive: nothing of revision 0001 changes its meaning."""
    execute_files(
        "r0002_01_intake.sql",
        "r0002_02_ledger.sql",
        "r0002_03_tenancy.sql",
    )

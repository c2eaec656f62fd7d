"""Revision 0005: terms a campaign may set besides those it had, rules that hold whoever writes them, customers by index."""

from __future__ import annotations

from schema.migrations.sql_files import execute_files

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Every new term begins with what was done before."""
    execute_files("r0005_01_terms.sql", "r0005_02_customers.sql")

"""Executes a revision's SQL files. A revision names its files in order; they run in the migration's transaction.

The raw asyncpg connection is used because only its parameterless `execute` takes many statements at once, which
spares Clickledger a second PostgreSQL driver just for migrations.
"""

from __future__ import annotations

from importlib.resources import files

import asyncpg
from alembic import op

VERSIONS = "schema.migrations.versions"


def execute_files(*names: str) -> None:
    """Run the SQL files of that name beside the revisions, in order."""
    for name in names:
        _execute(name, files(VERSIONS).joinpath(name).read_text(encoding="utf-8"))


def _execute(name: str, sql: str) -> None:
    bind = op.get_bind()
    # The dialect opens its transaction with the first statement of its own; a raw one alone would commit itself.
    bind.exec_driver_sql("SELECT 1")
    connection = bind.connection.dbapi_connection
    assert connection is not None
    try:
        connection.run_async(lambda raw: raw.execute(sql))
    except asyncpg.PostgresError as error:
        error.add_note(f"in {name}, line {_line(sql, error)}")
        raise


def _line(sql: str, error: asyncpg.PostgresError) -> int:
    """The line PostgreSQL points at, 0 where it points at none."""
    position = getattr(error, "position", None)
    return sql.count("\n", 0, int(position)) + 1 if position else 0

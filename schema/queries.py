"""Loads the named blocks of a `queries.sql` file: `-- name: add_click` opens a block, the next name ends it.

SQL lives beside its caller, never in Python strings; a test prepares every block against the real database.
"""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z_]+)\s*$", re.MULTILINE)


def load_queries(package: str, file: str = "queries.sql") -> dict[str, str]:
    """The blocks of that package's file by name. Raises ValueError when a name appears twice."""
    pieces = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    names = pieces[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{package}/{file} names a block twice")
    return {name: body.strip().rstrip(";") for name, body in zip(names, pieces[2::2], strict=True)}

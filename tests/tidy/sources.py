"""What the tidy tests look at: the files git tracks, and the functions in them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ROOMS = ("schema", "redirector", "flusher", "attribution", "clickledger", "bench")


class Function(NamedTuple):
    """A function and how long it is, docstring included."""

    file: str
    name: str
    lines: int


@functools.cache
def tracked() -> tuple[str, ...]:
    """Paths of tracked files, or of all files where the checkout is not a git repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    if not names:
        hidden = {".venv", ".git", ".clickledger"}
        paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        names = [str(path) for path in paths if not hidden & set(path.parts)]
    return tuple(name for name in names if (ROOT / name).is_file())


def text_of(name: str) -> str:
    """A file's text; undecodable bytes do not matter here."""
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def python_files(*folders: str) -> list[str]:
    """Tracked Python files below those folders."""
    return [
        name
        for name in tracked()
        if name.endswith(".py") and name.startswith(tuple(f"{folder}/" for folder in folders))
    ]


def functions(*folders: str) -> Iterator[Function]:
    """Every function below those folders."""
    for file in python_files(*folders):
        for node in ast.walk(ast.parse(text_of(file))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(file, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)


def query_files() -> list[str]:
    """The SQL files with named blocks, beside their callers."""
    return [
        name
        for name in tracked()
        if name.endswith(".sql")
        and name.startswith(tuple(f"{room}/" for room in ROOMS))
        and "-- name: " in text_of(name)
    ]

"""Options that several commands share, and the console they write to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="The data directory of `clickledger up`.  [default: .clickledger]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]


def console() -> Console:
    """Standard output for humans: never wraps, so that addresses and keys can be copied."""
    return Console(soft_wrap=True, highlight=False, markup=False)

"""The console script `clickledger`.

Registers the groups of `clickledger.commands` and turns what goes wrong into one sentence on standard error:
status 1 when the thing asked about is wrong, 2 for usage, configuration, or a server that is not there.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from clickledger import __version__
from clickledger.commands import (
    clicks,
    conversions,
    deadletters,
    keys,
    links,
    programme,
    reclassify,
    recompute,
    rollups,
    status,
    system,
    verify,
)
from clickledger.errors import StartError
from clickledger.servers import sentence_for
from schema.settings import BadSettings

app = typer.Typer(
    name="clickledger",
    help="Click redirects and attribution for partner links.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    *(system, status, links, programme, keys, verify, recompute),
    *(clicks, conversions, deadletters),
    *(rollups, reclassify),
):
    group.register(app)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"clickledger {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Click redirects and attribution for partner links."""


def main() -> None:
    """Run the command line and leave the process with its status."""
    try:
        app()
    except (BadSettings, StartError) as error:
        _fail(str(error))
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        _fail(sentence)


def _fail(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(message, style="red")
    sys.exit(2)

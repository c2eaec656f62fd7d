"""`make bench`: every bench in turn, printed and kept in `bench/results/`. `python -m bench NAME` runs one of them,
`python -m bench NAME --help` says what it measures and what can be chosen.
"""

from __future__ import annotations

import argparse
import inspect
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import attribute, endtoend, flush, footprint, growth, postback, redirect, stats
from bench.installs import install
from bench.results import keep

BENCHES = {
    "redirect": redirect,
    "postback": postback,
    "flush": flush,
    "attribute": attribute,
    "stats": stats,
    "endtoend": endtoend,
    "growth": growth,
    "footprint": footprint,
}

CHARS = 200
"""A row of numbers is easier to read in a window that is made wider than folded."""


def main() -> None:
    """Run what was asked for, everything by default."""
    given = vars(parser().parse_args())
    asked = given.pop("bench")
    console = Console(highlight=False, width=CHARS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything that was started is stopped
    for fault in install():
        console.print(f"skipped: {fault}")
    for name in [asked] if asked else BENCHES:
        console.print(f"[bold]{name}[/bold] …")
        result = BENCHES[name].run(**given)
        keep(name, result)
        show(console, result)


def parser() -> argparse.ArgumentParser:
    """The command line: a command for each bench."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = made.add_subparsers(dest="bench", metavar="NAME", help="one of:")
    for name, module in BENCHES.items():
        add_command(commands, name, module)
    return made


def add_command(commands: Any, name: str, module: ModuleType) -> None:
    """A command with an option for every number and text `run` takes."""
    about = inspect.getdoc(module) or ""
    command = commands.add_parser(
        name, help=about.partition(":")[0].split(".")[0].replace("\n", " "), description=about
    )
    for option, parameter in inspect.signature(module.run).parameters.items():
        if read := _reader(parameter.default):
            flag = f"--{option.replace('_', '-')}"
            command.add_argument(flag, type=read, default=parameter.default, help="default: %(default)s")


def _reader(default: object) -> Callable[[str], object] | None:
    """How an option's text becomes a value like its default: a text, a number, or numbers between commas."""
    if isinstance(default, tuple):
        return lambda text: tuple(int(number) for number in text.split(","))
    return type(default) if isinstance(default, int | float | str) else None


def show(console: Console, result: dict[str, Any]) -> None:
    """Numbers as lines, rows as tables."""
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(dict.fromkeys(column for row in value for column in row))
            table = Table(*columns, box=None, header_style="bold")
            for row in value:
                table.add_row(*(_text(row.get(column, "")) for column in columns))
            console.print(table)
        else:
            console.print(f"  {key:<20} {_text(value)}")


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()

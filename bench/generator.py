"""Load: keep-alive connections that ask for short links, or report conversions, as fast as they are answered
(`saturate`) or at a constant rate (`pace`).

Saturation is wrk's where it is installed, else our own generator's, which is slower than the fastest servers it
measures; the result says which it was. Both send a browser's headers and follow nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson

from bench.pace import Paced

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
HEADERS = {
    "User-Agent": BROWSER,
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Language": "en-GB,en;q=0.9",
    "Referer": "https://blog.example/post",
}
WRK_SECONDS_MIN = 1.0
"""wrk counts whole seconds."""

_WRK_SCRIPT = """
local at = 0
local headers = {%(headers)s}
request = function()
  at = (at + 7) %% %(numbers)d
  return wrk.format("GET", "%(prefix)s" .. %(number)s, headers)
end
done = function(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, bad,
    summary.errors.status, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


class Asked(NamedTuple):
    """What is asked for: `prefix` and a number below `numbers`, each in turn or, `is_zipf`, low ones far more often;
    and the status of a good answer."""

    numbers: int
    prefix: str = "/l"
    answer: int = 302
    is_zipf: bool = False


class Load(NamedTuple):
    """What one run of load saw. `answered` counts answers, `failed` those that were another or never came."""

    answered: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


def generator_name(seconds: float) -> str:
    """Which generator saturates here."""
    return "wrk" if shutil.which("wrk") and seconds >= WRK_SECONDS_MIN else "built-in"


def saturate(url: str, asked: Asked, *, seconds: float, connections: int, core: int | None) -> Load:
    """As fast as answers come, from one thread on that core."""
    if generator_name(seconds) == "wrk":
        return _wrk(_place(core), url, int(seconds), connections, asked)
    seen = pace(url, asked, rate=None, seconds=seconds, connections=connections, core=core)
    return Load(seen.answered, seen.failed, seen.per_second, seen.p50_ms, seen.p99_ms, seen.p999_ms)


def pace(
    url: str, asked: Asked, *, rate: float | None, seconds: float, connections: int, core: int | None
) -> Paced:
    """At a constant rate, latency counted from when each request was due; see `bench.pace`."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    command = [sys.executable, "-m", "bench.pace", url, "--headers", headers, "--prefix", asked.prefix]
    options = {
        "seconds": seconds,
        "connections": connections,
        "numbers": asked.numbers,
        "answer": asked.answer,
    }
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command += ["--rate", str(rate)] if rate else []
    command += ["--zipf"] if asked.is_zipf else []
    done = subprocess.run(_place(core) + command, capture_output=True, check=True, timeout=seconds + 60)
    return Paced(**orjson.loads(done.stdout))


def _place(core: int | None) -> list[str]:
    return [] if core is None else ["taskset", "-c", str(core)]


def _wrk(place: list[str], url: str, seconds: int, connections: int, asked: Asked) -> Load:
    number = f"math.floor({asked.numbers} ^ math.random()) - 1" if asked.is_zipf else "at"
    headers = ", ".join(f'["{name}"]="{value}"' for name, value in HEADERS.items())
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(
            _WRK_SCRIPT
            % {"headers": headers, "numbers": asked.numbers, "prefix": asked.prefix, "number": number}
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        done = subprocess.run(
            place + command, capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk printed no result: {done.stdout!r}")
    answered, micros, broken, refused, p50, p99, p999 = map(int, found.groups())
    rate = answered * 1e6 / micros
    return Load(answered, broken + refused, rate, p50 / 1000, p99 / 1000, p999 / 1000)

"""Load: keep-alive connections that ask for short links, or report conversions, as fast as they are answered.

wrk where it is installed (`make bench` installs it as root), else a small generator of ours, which is slower than
the fastest servers it measures; the result says which it was. Both send a browser's headers and follow nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
HEADERS = {
    "User-Agent": BROWSER,
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Language": "en-GB,en;q=0.9",
    "Referer": "https://blog.example/post",
}

_WRK_SCRIPT = """
local at = 0
local headers = {%(headers)s}
request = function()
  at = (at + 7) %% %(links)d
  return wrk.format("GET", "%(prefix)s" .. at, headers)
end
done = function(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, bad,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
"""

_OURS = """
import asyncio, sys, time
import uvloop
host, port, links, connections, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
headers, prefix, answer = sys.argv[6:9]
times, failed = [], 0
class Client(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.at, self.seen = transport, id(self), b""
        self.ask()
    def ask(self):
        self.at += 7
        self.asked = time.perf_counter()
        self.transport.write(f"GET {prefix}{self.at % links} HTTP/1.1\\r\\nHost: {host}\\r\\n{headers}\\r\\n".encode())
    def data_received(self, data):
        global failed
        self.seen += data
        head, mark, body = self.seen.partition(b"\\r\\n\\r\\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\\r")[0]
        if not mark or len(body) < int(length or 0): return
        times.append(time.perf_counter() - self.asked)
        failed += not head.startswith(f"HTTP/1.1 {answer}".encode())
        self.seen = b""
        if time.perf_counter() < ends: self.ask()
        else: self.transport.close()
async def main():
    global ends
    ends = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    for _ in range(connections): await loop.create_connection(Client, host, port)
    await asyncio.sleep(seconds + 1)
uvloop.run(main())
times.sort()
print("RESULT", len(times), int(seconds * 1e6), 0, failed, int(times[len(times) // 2] * 1e6), int(times[len(times) * 99 // 100] * 1e6))
"""


class Load(NamedTuple):
    """What one run of load saw. `answered` counts answers, `failed` those that were another or never came."""

    answered: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float


def generator_name() -> str:
    """Which generator is used here."""
    return "wrk" if shutil.which("wrk") else "built-in"


def load(
    url: str,
    *,
    seconds: float,
    connections: int,
    links: int,
    core: int | None,
    prefix: str = "/l",
    answer: int = 302,
) -> Load:
    """Drive `url` with requests for `prefix` and a number below `links` from one thread on that core."""
    place = [] if core is None else ["taskset", "-c", str(core)]
    if generator_name() == "wrk" and seconds >= 1:
        return _wrk(place, url, int(seconds), connections, {"links": links, "prefix": prefix})
    host, _, port = url.removeprefix("http://").partition(":")
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    arguments = [host, port, str(links), str(connections), str(seconds), headers, prefix, str(answer)]
    return _result([*place, sys.executable, "-c", _OURS, *arguments])


def _wrk(place: list[str], url: str, seconds: int, connections: int, asked: dict[str, object]) -> Load:
    headers = ", ".join(f'["{name}"]="{value}"' for name, value in HEADERS.items())
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(_WRK_SCRIPT % {"headers": headers, **asked})
        return _result([*place, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url])


def _result(command: list[str]) -> Load:
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    if found is None:
        raise RuntimeError(f"the generator printed no result: {output!r}")
    answered, micros, broken, refused, p50, p99 = map(int, found.groups())
    return Load(answered, broken + refused, answered * 1e6 / micros, p50 / 1000, p99 / 1000)

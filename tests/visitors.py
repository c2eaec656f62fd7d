"""Real visitors in threads: they click as fast as they are answered and remember what they were told."""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter

from tests.doors import BROWSER
from tests.running_system import wait_until

CLICK_ID = re.compile(r"[?&]clk=(\d+)")


class Visitors:
    """Visitors clicking as fast as they are answered, on keep-alive connections, until told to stop."""

    def __init__(self, port: int, code: str, count: int = 4) -> None:
        self._port = port
        self._code = code
        self._is_over = threading.Event()
        self.answered: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self._threads = [threading.Thread(target=self._click) for _ in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def wait_answered(self, more: int = 100) -> None:
        """Until that many more of them were sent on."""
        wanted = len(self.answered) + more
        wait_until(lambda: len(self.answered) >= wanted, 30, "visitors to be answered")

    def _click(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._is_over.is_set():
            try:
                connection.request("GET", f"/{self._code}", headers={"User-Agent": BROWSER})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                continue
            self.statuses[response.status] += 1
            if response.status == 302:
                self.answered.append(int(CLICK_ID.findall(response.getheader("location") or "")[0]))
        connection.close()

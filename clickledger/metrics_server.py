"""Serves the metrics of all processes of one machine on one internal port, and gives each process its place.

Children write their values into files of a shared directory (prometheus-client's multiprocess mode), named after
the child instead of its process id: a restarted child goes on counting where it was, and the files stay few.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clickledger.errors import StartError

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(directory: Path) -> None:
    """Empty the directory and announce it. Must run before anything imports a metric."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    os.environ[MULTIPROCESS_VARIABLE] = str(directory)


def take_place(name: str) -> None:
    """Write this process's metrics under that name. Must run before anything imports a metric."""
    if MULTIPROCESS_VARIABLE in os.environ:
        from prometheus_client import values

        values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


def serve_metrics(port: int) -> None:
    """Answer Prometheus on 127.0.0.1 from a thread; port 0 means do not. Raises StartError if it is taken."""
    if port == 0:
        return
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if MULTIPROCESS_VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        start_http_server(port, "127.0.0.1", registry)
    except OSError as error:
        raise StartError(
            f"Port {port} on 127.0.0.1 is taken by another program: "
            "free it or set CLICKLEDGER_METRICS_PORT to another port (0 switches metrics off)."
        ) from error

"""Structured logs: one JSON line per thing that happened to the system, never one per request, never an address.

Each process calls `set_up_logs` once; rooms then use `structlog.get_logger()` with an event name in snake_case
and plain fields.
"""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logs(process: str, level: str = "info") -> None:
    """Write JSON lines to standard error, each naming its process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)

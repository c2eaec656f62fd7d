"""Text in CSV files that spreadsheets open: they run a cell that begins like a formula. Pure.

Exports call `cell`; the import of links calls `as_written` and gets back what was exported.
"""

from __future__ import annotations

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r'[",;\t\r\n|]')


def cell(text: str) -> str:
    """The text as a field of a CSV line: with an apostrophe before what looks like a formula and is no number, and
    in quotes where any program could see a separator."""
    if text.lstrip("'").startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def as_written(text: str) -> str:
    """A field read from CSV without the apostrophe that `cell` put before it."""
    is_guarded = text.startswith("'") and text.lstrip("'").startswith(FORMULA_STARTS)
    return text[1:] if is_guarded else text

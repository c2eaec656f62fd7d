"""Makes up short codes: random, readable (no 0 O 1 I l), longer after every collision."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

_READABLE = "23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
"""57 letters and digits."""
_READABLE_LOWER = "23456789abcdefghijkmnopqrstuvwxyz"
CODE_CHARS = 7
CODE_CHARS_LOWER = 8
"""33 to the 8th is about as many as 57 to the 7th: 1.4 and 2.0 million million."""
ATTEMPTS_MAX = 12


def candidate_codes(*, is_case_sensitive: bool) -> Iterator[str]:
    """Codes to try, one after another, until one is free."""
    alphabet = _READABLE if is_case_sensitive else _READABLE_LOWER
    length = CODE_CHARS if is_case_sensitive else CODE_CHARS_LOWER
    for attempt in range(ATTEMPTS_MAX):
        yield "".join(secrets.choice(alphabet) for _ in range(length + attempt // 3))

"""The one error the ignition shows to a human.

Whatever keeps a command from starting or finishing is raised as `StartError` with one sentence; `clickledger.cli`
prints the sentence and exits with status 2. Nothing here knows where the error came from.
"""

from __future__ import annotations


class StartError(Exception):
    """Something is in the way of starting; the message is one sentence for a human."""

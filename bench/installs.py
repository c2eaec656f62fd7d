"""Brings what the redirect bench compares with: nginx with lua, Node with its packages, wrk.

Nothing here starts a service: nginx is only unpacked into `.cache/bench`, because installing its package would put a
server on port 80. Node and wrk are installed where they are missing and we are root. What cannot be had is skipped by
whoever needs it, with the sentence `Missing` carries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "bench"
DEBIAN = CACHE / "debian"
SERVERS = Path(__file__).parent / "servers"
NGINX_PACKAGES = (
    "nginx", "libnginx-mod-http-ndk", "libnginx-mod-http-lua", "lua-resty-core", "lua-resty-lrucache",
    "lua-nginx-redis", "libluajit2-5.1-2", "libluajit2-5.1-common", "libpcre3",
)  # fmt: skip


class Missing(Exception):
    """Something to compare with is not here; the message says what would bring it."""


def install() -> list[str]:
    """Bring what is missing; a sentence for each thing that could not be brought."""
    missing = []
    for bring in (_bring_wrk, _bring_nginx, _bring_node_packages):
        try:
            bring()
        except Missing as fault:
            missing.append(str(fault))
    return missing


def nginx_program() -> Path:
    """Where nginx is. Raises Missing."""
    program = DEBIAN / "usr/sbin/nginx"
    if not program.exists():
        raise Missing("nginx is not in .cache/bench: `python -m bench redirect` unpacks it on Debian 12")
    return program


def nginx_libraries() -> str:
    """Where its libraries are, as the loader wants to be told."""
    return ":".join(str(folder) for pattern in ("lib/*-linux-gnu", "usr/lib/*-linux-gnu") for folder in DEBIAN.glob(pattern))  # fmt: skip


def node_server() -> Path:
    """The Fastify server beside its packages. Raises Missing."""
    server = CACHE / "fastify_ioredis" / "server.js"
    if not server.exists() or not shutil.which("node"):
        raise Missing("Node's packages are not in .cache/bench: `python -m bench redirect` installs them")
    shutil.copy2(SERVERS / "fastify_ioredis" / "server.js", server)
    return server


def _bring_wrk() -> None:
    _bring_program("wrk", ["wrk"])


def _bring_nginx() -> None:
    """Download its packages and unpack them side by side."""
    if (DEBIAN / "usr/sbin/nginx").exists():
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Missing("nginx is only unpacked from Debian packages, and this is no Debian")
    unpacked = CACHE / "debian.unfinished"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    if not _is_done(["apt-get", "download", "-qq", *NGINX_PACKAGES], unpacked):
        _update()
        if not _is_done(["apt-get", "download", "-qq", *NGINX_PACKAGES], unpacked):
            raise Missing(f"nginx could not be downloaded: apt-get download {' '.join(NGINX_PACKAGES)}")
    for package in unpacked.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, unpacked], check=True)
    unpacked.rename(DEBIAN)


def _bring_node_packages() -> None:
    """`npm ci` of the pinned packages, again when the pins change."""
    folder, lock = CACHE / "fastify_ioredis", "package-lock.json"
    pins = (SERVERS / "fastify_ioredis" / lock).read_bytes()
    if (folder / lock).exists() and (folder / lock).read_bytes() == pins:
        return
    _bring_program("node", ["nodejs", "npm"])
    _bring_program("npm", ["npm"])
    unfinished = CACHE / "fastify_ioredis.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(SERVERS / "fastify_ioredis", unfinished)
    if not _is_done(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], unfinished):
        shutil.rmtree(unfinished)
        raise Missing("Fastify and ioredis could not be installed: npm ci in bench/servers/fastify_ioredis")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _bring_program(name: str, packages: Sequence[str]) -> None:
    """A program on the path, installed from Debian if we may. Raises Missing."""
    if shutil.which(name):
        return
    command = ["apt-get", "install", "-qqy", "--no-install-recommends", *packages]
    if os.geteuid() == 0 and shutil.which("apt-get") and not _is_done(command):
        _update()
        _is_done(command)
    if not shutil.which(name):
        raise Missing(f"{name} is not installed: apt-get install {' '.join(packages)}")


def _update() -> None:
    """Package lists, which a fresh container has none of."""
    if os.geteuid() == 0:
        _is_done(["apt-get", "update", "-qq"])


def _is_done(command: Sequence[str], folder: Path | None = None) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return not subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False
    ).returncode

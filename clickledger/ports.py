"""Listening sockets, taken early so that a port in use is one clear sentence instead of a child that keeps dying.

`up` and `door` bind here and hand the door's socket to its workers as an inherited file descriptor.
"""

from __future__ import annotations

import errno
import http.client
import socket

from clickledger.errors import StartError

BACKLOG = 2048
"""Connections the kernel holds while every door worker is busy or being restarted."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A socket listening there. Raises StartError naming the port and the setting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"CLICKLEDGER_HOST {host} is no address of this machine: {error}.") from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise StartError(_why_not(error, host, port, setting)) from error
    return opened


def local(host: str) -> str:
    """How this machine itself reaches a server listening on `host`, ready for a URL."""
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def answers(host: str, port: int, path: str) -> bool:
    """Whether an HTTP server there answers 200 to a GET of `path`."""
    connection = http.client.HTTPConnection(f"{local(host)}:{port}", timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _why_not(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program: free it or set {setting} to another port."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user: set {setting} to a port above 1023."
    return f"Port {port} on {host} cannot be opened ({error.strerror}): check CLICKLEDGER_HOST and {setting}."

"""What a registry can do wrong: actions for OciRegistry.fault.

An action is a function of the Visit that it answers. These make the usual ones; a test may write its own, with
Visit.reply, Visit.head and Visit.raw.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """One request as it came; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


class Visit(Protocol):
    """A request that is being answered."""

    request: Request
    closed: threading.Event
    """Set when the registry ends: what goes on forever ends then."""

    def reply(self, status: int, body: bytes = b"", headers: Headers = {}) -> None:  # noqa: B006 - never changed
        """A whole answer."""

    def head(self, status: int, headers: Headers) -> None:
        """Only a status line and these headers; the connection closes afterwards."""

    def raw(self, data: bytes) -> None:
        """Bytes as they are; the connection closes afterwards. Raises OSError once the client has left."""

    def connection_socket(self) -> socket.socket: ...


Action = Callable[[Visit], None]


def reply(status: int, body: bytes = b"", **headers: str) -> Action:
    """An answer; `Content_Type="..."` becomes the header Content-Type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda visit: visit.reply(status, body, named)


def redirect(location: str | Callable[[Request], str], status: int = 307) -> Action:
    """A redirect to a URL, or to what a function makes of the request."""
    return lambda visit: visit.reply(
        status, b"", {"Location": location if isinstance(location, str) else location(visit.request)}
    )


def challenge(text: str) -> Action:
    """A 401 with a WWW-Authenticate header of this text."""
    return lambda visit: visit.reply(401, b"{}", {"WWW-Authenticate": text})


def raw(data: bytes) -> Action:
    """These bytes instead of an answer, then the end of the connection."""
    return lambda visit: visit.raw(data)


def reset() -> Action:
    """A connection reset instead of an answer."""

    def act(visit: Visit) -> None:
        connection = visit.connection_socket()
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.detach())  # its files hold it open otherwise

    return act


def hang() -> Action:
    """Silence, until the registry ends."""
    return _forever


def delay(seconds: float, then: Action) -> Action:
    """Another action, later."""

    def act(visit: Visit) -> None:
        visit.closed.wait(seconds)
        then(visit)

    return act


def drip(data: bytes, pause: float) -> Action:
    """Bytes of an answer one at a time; once they are used up, silence."""

    def act(visit: Visit) -> None:
        for byte in data:
            if visit.closed.wait(pause):
                return
            visit.raw(bytes([byte]))
        _forever(visit)

    return act


def endless(head: bytes, piece: bytes) -> Action:
    """A head, and then the same piece again and again, until the client leaves."""

    def act(visit: Visit) -> None:
        visit.raw(head)
        while not visit.closed.is_set():
            visit.raw(piece)

    return act


def endless_chunks(content_type: str, piece: bytes = b" " * 65536) -> Action:
    """A chunked body without an end."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return endless(head, b"%x\r\n%b\r\n" % (len(piece), piece))


def short_body(body: bytes, announced: int, **headers: str) -> Action:
    """A body that ends before its Content-Length."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def act(visit: Visit) -> None:
        visit.head(200, {**named, "Content-Length": str(announced)})
        visit.raw(body)

    return act


def _forever(visit: Any) -> None:
    visit.closed.wait()

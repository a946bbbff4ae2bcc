"""Sockets that obey an absolute deadline and a budget of bytes, whatever library reads them.

urllib3 and http.client give each read the full time-out anew, so that a peer that sends a byte a second is never late;
and they read heads of several megabytes. Here every operation of a socket first looks at the exchange that the current
thread is in.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from app.images.registry.operation import Operation


class Exchange:
    """One request and its answer: until when, and how many bytes may still come."""

    def __init__(self, operation: Operation, budget: int) -> None:
        """`budget` in bytes; set it anew when the head has been read."""
        self.operation = operation
        self.budget = budget
        self.overflowed = False

    def take(self, wanted: int) -> int:
        """How many bytes may be read at once. Raises OSError when none may."""
        if self.budget <= 0:
            self.overflowed = True
            raise OSError("more bytes than allowed")
        return min(wanted, self.budget)


_current: ContextVar[Exchange] = ContextVar("registry_exchange")


@contextmanager
def exchanging(operation: Operation, budget: int) -> Generator[Exchange]:
    """Bind the sockets that this thread uses inside to the operation's deadline."""
    exchange = Exchange(operation, budget)
    token = _current.set(exchange)
    try:
        yield exchange
    finally:
        _current.reset(token)


def current_operation() -> Operation:
    """Give the operation that this thread is in."""
    return _current.get().operation


def _tick(settimeout: Callable[[float], None]) -> Exchange:
    exchange = _current.get()
    left = exchange.operation.left()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    settimeout(left)
    return exchange


class BoundedSocket(socket.socket):
    """A TCP socket that obeys the current exchange."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read no more than the budget, for no longer than the deadline."""
        exchange = _tick(self.settimeout)
        count = super().recv_into(buffer, exchange.take(nbytes or len(buffer)), flags)
        exchange.budget -= count
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send for no longer than the deadline."""
        _tick(self.settimeout)
        super().sendall(data, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS socket that obeys the current exchange; the budget counts decrypted bytes."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """Shake hands by the deadline, which OpenSSL's wrapper applies to all of its reads together."""
        _tick(self.settimeout)
        super().do_handshake(block)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read no more than the budget, for no longer than the deadline."""
        exchange = _tick(self.settimeout)
        count = super().recv_into(buffer, exchange.take(nbytes or len(buffer)), flags)
        exchange.budget -= count
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send for no longer than the deadline."""
        _tick(self.settimeout)
        super().sendall(data, flags)

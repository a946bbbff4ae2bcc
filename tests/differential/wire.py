"""A pipelining HTTP/1.1 client over TLS: many small requests on one connection, answers in order.

The point is speed: a batch costs a handful of system calls, so that the two webhooks, not the client, are what
is waited for. Go's server and uvicorn both answer pipelined requests in order.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from typing import Final, Self

WINDOW_BYTES: Final = 48 * 1024
"""Most request bytes in flight: below what the sockets buffer, so neither side can block the other for good."""
TIMEOUT_SECONDS: Final = 60.0


class WireError(Exception):
    """The server closed the connection or sent something that is not an HTTP answer."""


class Pipeline:
    """One connection to `127.0.0.1:port`; `post` queues, `answers` waits for everything queued so far.

    A context manager that closes the connection.
    """

    def __init__(self, port: int, context: ssl.SSLContext, path: str = "/validate?timeout=10s") -> None:
        """Connect to `port` on loopback and post to `path`."""
        raw = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket = context.wrap_socket(raw, server_hostname="localhost")
        except OSError:
            raw.close()
            raise
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ".encode()
        )
        self._waiting: deque[bytes] = deque()
        self._sent: deque[int] = deque()
        self._in_flight = 0
        self._buffer = bytearray()
        self._start = 0

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET, with nothing else in flight."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return self._answer()

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of one POST, with nothing else in flight."""
        self.post([body])
        return self.answers()[0]

    def post(self, bodies: list[bytes]) -> None:
        """Queue `bodies`, and send as many as the window takes."""
        self._waiting.extend(b"%b%d\r\n\r\n%b" % (self._head, len(body), body) for body in bodies)
        self._fill()

    def answers(self) -> list[tuple[int, bytes]]:
        """Status and body of every request queued since the last call, in order.

        Raises:
            WireError: the connection broke.
        """
        found = []
        while self._sent or self._waiting:
            if not self._sent:
                self._fill()
            found.append(self._answer())
            self._in_flight -= self._sent.popleft()
            if self._in_flight < WINDOW_BYTES // 2:
                self._fill()
        return found

    def _fill(self) -> None:
        out = []
        while self._waiting and (not self._sent or self._in_flight + len(self._waiting[0]) <= WINDOW_BYTES):
            request = self._waiting.popleft()
            self._sent.append(len(request))
            self._in_flight += len(request)
            out.append(request)
        if out:
            self._socket.sendall(b"".join(out))

    def _answer(self) -> tuple[int, bytes]:
        head = bytes(self._until(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            parts = []
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                parts.append(self._take(size))
                self._take(2)
            self._take(2)
            return status, b"".join(parts)
        where = head.find(b"content-length:")
        if where < 0:
            message = f"an answer without a length: {head!r}"
            raise WireError(message)
        return status, self._take(int(head[where + 15 : head.find(b"\r\n", where) % (len(head) + 1)]))

    def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark, self._start)) < 0:
            self._read()
        found = bytes(self._buffer[self._start : end])
        self._start = end + len(mark)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._buffer) - self._start < size:
            self._read()
        found = bytes(self._buffer[self._start : self._start + size])
        self._start += size
        return found

    def _read(self) -> None:
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        data = self._socket.recv(1 << 18)
        if not data:
            message = "the server closed the connection"
            raise WireError(message)
        self._buffer += data

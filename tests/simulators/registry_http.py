"""The HTTP side of OciRegistry: threads, TLS, and answers that may be as broken as a test wants."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.kube.certs import Pair
from tests.simulators.registry_faults import Request

_PATIENCE = 30.0


class Server(ThreadingHTTPServer):
    """Serves on a free loopback port; `answer` is called for each request, in a thread of its connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pair: Pair | None, answer: Callable[[Any], None]) -> None:
        self.answer = answer
        self.closed = threading.Event()
        self._context = None if pair is None else _context(pair)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.connections += 1
        request.settimeout(_PATIENCE)
        if self._context is not None:
            try:
                request = self._context.wrap_socket(request, server_side=True)
            except (OSError, ValueError):  # the client does not trust us, or does not speak TLS
                return
        with self._lock:
            self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            request.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what the tests are about."""

    def stop(self) -> None:
        self.closed.set()
        self.shutdown()
        self.disconnect()
        self.server_close()

    def disconnect(self) -> None:
        """End every connection, idle ones too."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection; a Visit of the fault actions."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: Server
    request: Any  # the socket, for the base class; then the Request, for actions

    def setup(self) -> None:
        super().setup()
        self.closed = self.server.closed
        self._socket = self.request

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Quiet."""

    def _any(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", "0"))
        self.request = Request(
            self.command,
            url.path if self.command != "CONNECT" else self.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        try:
            self.server.answer(self)
        except (OSError, ValueError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_CONNECT = _any  # noqa: N815 - the parent calls them

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() in {"content-length", "transfer-encoding"} for name in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def raw(self, data: bytes) -> None:
        self.close_connection = True
        self._socket.sendall(data)

    def connection_socket(self) -> socket.socket:
        connection: socket.socket = self._socket
        return connection


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*pair.write(Path(folder)))
    return context

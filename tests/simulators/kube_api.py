"""A Kubernetes API server that misbehaves on request: lists, watches, 410s, broken connections, garbage, slowness.

    with KubeApi() as api:
        api.put("shop", {"team": "a"})
        api.script("list", Reply(500))          # the next list fails, later ones work
        ...
        api.wait_for("watch", 1)                # until one watch is open

Objects live in memory and watches tell their changes. What `script` queues for a verb (list, get, watch, pods) is used
up before the normal answers. Every request is kept in `requests`, with its headers, in the order of arrival.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kube import certs

Json = dict[str, Any]
PATIENCE = 10.0


@dataclass(frozen=True)
class Reply:
    """An answer that is written as it is."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """Nothing, until the client leaves or the server ends."""


@dataclass(frozen=True)
class Drop:
    """The connection is reset, before any answer or, for watches, once it is open and has sent `after`."""

    after: bytes | None = None


@dataclass(frozen=True)
class Trickle:
    """An answer that starts and then gets one byte every `pause` seconds."""

    pause: float


@dataclass(frozen=True)
class Lines:
    """A watch that sends these lines and then ends in good order."""

    lines: tuple[bytes, ...] = ()


Step = Reply | Hang | Drop | Trickle | Lines


@dataclass(frozen=True)
class Request:
    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    certificate: Mapping[str, Any] | None


class KubeApi:
    """The server; `with` starts and stops it. With `authority`, it speaks TLS as 127.0.0.1 and may ask for clients'."""

    def __init__(
        self,
        authority: certs.Authority | None = None,
        *,
        names: tuple[str, ...] = ("127.0.0.1",),
        clients: certs.Authority | None = None,
        token: str | None = None,
    ) -> None:
        self.token = token
        """When set, other bearer tokens get a 401."""
        self.requests: list[Request] = []
        self.namespaces: dict[str, Json] = {}
        self.pods: list[Json] = []
        self.history_from = 0
        """Watches from older versions get a 410."""
        self._version = 100
        self._events: list[tuple[int, Json]] = []
        self._scripts: defaultdict[str, deque[Step]] = defaultdict(deque)
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._generation = 0
        self.closed = False
        self._server = _Server(("127.0.0.1", 0), self)
        self._server.context = None if authority is None else _context(authority, names, clients)
        self.url = f"{'http' if authority is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self.disconnect()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def put(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        with self._changed:
            kind = "MODIFIED" if name in self.namespaces else "ADDED"
            self.namespaces[name] = self._object(name, labels)
            self._tell(kind, self.namespaces[name])

    def delete(self, name: str) -> None:
        with self._changed:
            gone = self.namespaces.pop(name)
            gone["metadata"]["resourceVersion"] = self._next()
            self._tell("DELETED", gone)

    def bookmark(self) -> str:
        """Move watchers on without a change; gives the version they have then."""
        with self._changed:
            version = self._next()
            self._tell("BOOKMARK", {"kind": "Namespace", "metadata": {"resourceVersion": version}})
            return version

    def forget(self) -> None:
        """From now on no watch can start at a version that is known today."""
        with self._changed:
            self.history_from = int(self._next())

    def script(self, verb: str, *steps: Step) -> None:
        with self._changed:
            self._scripts[verb].extend(steps)

    def disconnect(self) -> None:
        """Reset every connection."""
        with self._changed:
            self._generation += 1
            for connection in self._open:
                _reset(connection)
            self._changed.notify_all()

    def count(self, verb: str) -> int:
        return sum(request.verb == verb for request in self.requests)

    def wait_for(self, verb: str, count: int) -> None:
        """Until so many requests of a verb have come."""
        self.wait(lambda: self.count(verb) >= count)

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"in vain; requests: {self.requests}"

    # What handlers ask.

    def arrived(self, request: Request) -> Step | None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            steps = self._scripts[request.verb]
            return steps.popleft() if steps else None

    def namespaces_page(self, query: Mapping[str, str]) -> Json:
        with self._changed:
            items = [self.namespaces[name] for name in sorted(self.namespaces)]
            return _page(items, query, str(self._version), "NamespaceList")

    def pods_page(self, query: Mapping[str, str]) -> Json:
        with self._changed:
            return _page(self.pods, query, str(self._version), "PodList")

    def events_after(self, version: int, generation: int) -> list[tuple[int, Json]] | None:
        """The next events, waiting for them; None when the watch has to end."""

        def ended() -> bool:
            return self.closed or self._generation != generation

        with self._changed:
            self._changed.wait_for(lambda: ended() or (bool(self._events) and self._events[-1][0] > version))
            return None if ended() else [event for event in self._events if event[0] > version]

    def sleep(self) -> None:
        """Until the connections are reset or the server ends."""
        with self._changed:
            generation = self._generation
            self._changed.wait_for(lambda: self.closed or self._generation != generation)

    def opened(self, connection: socket.socket) -> int:
        with self._changed:
            self._open.add(connection)
            return self._generation

    def left(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)

    def pause(self, seconds: float) -> bool:
        """Wait; whether the server is still up."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)
            return not self.closed

    def _object(self, name: str, labels: Mapping[str, str] | None) -> Json:
        metadata: Json = {"name": name, "resourceVersion": self._next()}
        if labels is not None:
            metadata["labels"] = {"kubernetes.io/metadata.name": name, **labels}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _tell(self, kind: str, subject: Json) -> None:
        self._events.append((self._version, {"type": kind, "object": json.loads(json.dumps(subject))}))
        self._changed.notify_all()


def _page(items: list[Json], query: Mapping[str, str], version: str, kind: str) -> Json:
    start = int(query.get("continue", "0"))
    end = start + int(query.get("limit", "0") or len(items) or 1)
    metadata: Json = {"resourceVersion": version}
    if end < len(items):
        metadata |= {"continue": str(end), "remainingItemCount": len(items) - end}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "items": items[start:end]}


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


def _context(authority: certs.Authority, names: tuple[str, ...], clients: certs.Authority | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*authority.issue(*names).write(Path(folder)))
    if clients is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=clients.pem.decode())
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], api: KubeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:  # the client does not trust us
                return
        super().finish_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Quiet."""

    def setup(self) -> None:
        super().setup()
        self.generation = self.server.api.opened(self.connection)

    def finish(self) -> None:
        self.server.api.left(self.connection)
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        api = self.server.api
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        parts = [unquote(part) for part in url.path.split("/")[1:]]
        plain = {3: "list", 4: "get", 5: "pods"}.get(len(parts), "other")
        verb = "watch" if "watch" in query else plain
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        step = api.arrived(Request(verb, url.path, query, dict(self.headers), certificate))
        if step is not None:
            self._play(step)
        elif api.token is not None and self.headers.get("Authorization") != f"Bearer {api.token}":
            self._json(401, {"kind": "Status", "code": 401, "message": "Unauthorized"})
        elif verb == "watch":
            self._watch(int(query["resourceVersion"]))
        elif verb == "list":
            self._json(200, api.namespaces_page(query))
        elif verb == "pods":
            self._json(200, api.pods_page(query))
        elif verb == "get" and parts[3] in api.namespaces:
            self._json(200, api.namespaces[parts[3]])
        else:
            self._json(404, {"kind": "Status", "code": 404, "message": f'namespaces "{parts[-1]}" not found'})

    def _play(self, step: Step) -> None:
        api = self.server.api
        match step:
            case Reply(status, body, headers):
                self._send(status, body, headers)
            case Hang():
                api.sleep()
                self.close_connection = True
            case Drop(after):
                if after is not None:
                    self._open_stream()
                    self._chunk(after)
                _reset(self.connection)
                self.close_connection = True
            case Lines(lines):
                self._open_stream()
                for line in lines:
                    self._chunk(line + b"\n")
                self.wfile.write(b"0\r\n\r\n")
            case Trickle(pause):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                while api.pause(pause):
                    self.wfile.write(b" ")

    def _watch(self, since: int) -> None:
        api = self.server.api
        if since < api.history_from:
            self._json(410, {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
            return
        self._open_stream()
        while (events := api.events_after(since, self.generation)) is not None:
            for _, event in events:
                self._chunk(json.dumps(event).encode() + b"\n")
            since = events[-1][0]
        self.close_connection = True

    def _open_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _json(self, status: int, value: Json) -> None:
        self._send(status, json.dumps(value).encode(), {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

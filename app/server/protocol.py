"""HTTP/1.1 on one connection: uvicorn's httptools protocol, with bounds and a quicker way to the application.

What uvicorn's own lacks for a server of this kind:

- Bounds in time and size on everything before a body. Timers per request are dear, so a connection only notes when it
  entered its phase, and `overdue` is asked once a second for all of them.
- A connection that can be told to retire: it ends its next answer with `Connection: close`.
- The application starts within the call that brought the end of its request: Go's client sends a review in pieces. A
  review whose facts are cached is answered without going through the event loop again, and its answer is one write.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGISendEvent
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from app.observe.recorder import Recorder
    from app.server.limits import Limits

_PATIENT_BYTES = 32 * 1024
"""A body up to so long is waited for before its application starts: uvicorn pauses reading at 64 KiB."""
_PATIENT_SECONDS = 0.05
"""How long; then the application, which knows the deadline, waits itself."""
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
_REASONS = {
    400: "not a valid HTTP request",
    408: "the request took too long to arrive",
    431: "the request's headers are too large",
}


class Shared:
    """What all connections of one server share."""

    __slots__ = ("connections", "draining", "limits", "recorder", "wants_certificate")

    def __init__(self, limits: Limits, recorder: Recorder, *, wants_certificate: bool = False) -> None:
        """Start with no connection; `wants_certificate` makes each look at what its client has shown."""
        self.limits = limits
        self.recorder = recorder
        self.wants_certificate = wants_certificate
        self.draining = False
        self.connections: set[Connection] = set()

    def drain(self) -> None:
        """Make every answer from now on the last one of its connection."""
        self.draining = True
        for connection in self.connections:
            connection.retire()

    def sweep(self, now: float) -> None:
        """Close every connection that has used up its time; `now` is the event loop's clock."""
        for connection in list(self.connections):
            if connection.overdue(now):
                connection.expire()

    def close_idle(self, now: float, idle_seconds: float) -> None:
        """Close the connections that have had no request for so long."""
        for connection in list(self.connections):
            if connection.idle and now - connection.since >= idle_seconds:
                connection.transport.close()

    def make_room(self) -> None:
        """Close the longest idle connection, or else the newest busy one."""
        idle = [connection for connection in self.connections if connection.idle]
        chosen = min(idle, key=_since) if idle else max(self.connections, key=_since)
        chosen.transport.close()
        self.recorder.refused("connection-limit", "too many connections, the longest idle one was closed")


class Cycle(RequestResponseCycle):
    """One request and its answer; an answer sent in one piece, head and body, is one write and one TLS record."""

    _head: ASGISendEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Keep the head of the answer until its body comes; longer answers take uvicorn's way."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if not message.get("more_body") and not self.flow.write_paused and not self.disconnected:
                self._send_whole(head, message.get("body", b""))  # type: ignore[arg-type]
                return
            await super().send(head)
        await super().send(message)

    def _send_whole(self, head: dict[str, Any], body: bytes) -> None:
        # Names and values are our own constants or starlette's encoded headers: not searched for line breaks again.
        parts = [STATUS_LINE[head["status"]]]
        closes = sized = False
        for name, value in (*self.default_headers, *head["headers"]):
            parts += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                sized = True
            elif name == b"connection" and value == b"close":
                closes = True
        if not sized:
            parts.append(b"content-length: %d\r\n" % len(body))
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if self.scope["method"] != "HEAD":
            parts.append(body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(parts))
        self.message_event.set()
        if not self.keep_alive and not self.more_body:  # else the connection lingers
            self.transport.close()
        self.on_response()


class Connection(HttpToolsProtocol):
    """One client. It is idle, reading headers, busy (a body or an answer is under way), or lingers before it closes."""

    cycle: Cycle | None  # type: ignore[assignment]
    parser: Any  # None once the connection is lost or refused

    def __init__(self, shared: Shared, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        """Be ready for a transport; the loop calls `connection_made` after the TLS handshake."""
        super().__init__(config, state, {}, loop)
        self.shared = shared
        self.since = 0.0
        """When the present phase began, by the event loop's clock."""
        self.idle = True
        self.reading_headers = False
        self._lingering = False
        self._header_bytes = 0
        self._last_url = b""
        self._target = ("", b"", b"")
        self._client_verified = False
        self._start: tuple[Cycle, ASGI3Application] | None = None
        """A request whose application is about to be started."""
        self._patience: asyncio.TimerHandle | None = None
        """Ends the wait for the rest of its body."""

    # --- the transport's calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin idle: a client may open a connection long before it has a request for it (Go's does)."""
        shared = self.shared
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        self.scheme = "https"
        self.since = self.loop.time()
        if shared.wants_certificate:
            connection = transport.get_extra_info("ssl_object")
            self._client_verified = connection is not None and bool(connection.getpeercert())
        shared.connections.add(self)
        if len(shared.connections) > shared.limits.max_connections:
            shared.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for this client."""
        self.shared.connections.discard(self)
        cycle = self.cycle
        if cycle is not None:
            if not cycle.response_complete:
                cycle.disconnected = True
            cycle.message_event.set()
        self._begin()  # the application tells what became of the request
        self.flow.resume_writing()
        self.pipeline.clear()
        self.parser = None
        if exc is None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then start the application on what has become a request."""
        parser = self.parser
        if parser is None:
            return
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Only offered, never accepted: the request is answered as if the header were not there.
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._start = None
            self._begin()
            if self._lingering:
                self.transport.close()
            else:
                self.refuse(400)
            return
        if self.reading_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.shared.limits.max_header_bytes:
                self.refuse(431)
                return
        if self._start is not None:
            self._begin_when_whole(self._start[0])

    def _begin_when_whole(self, cycle: Cycle) -> None:
        """Start the application if its request is complete, or else when the rest has had its time to come."""
        if not cycle.more_body or cycle.waiting_for_100_continue or len(cycle.body) > _PATIENT_BYTES:
            self._begin()
        elif self._patience is None:
            self._patience = self.loop.call_later(_PATIENT_SECONDS, self._begin)

    def _begin(self) -> None:
        """Start the application on the request at hand."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._start is None:
            return
        (cycle, app), self._start = self._start, None
        cycle.scope["body_complete"] = not cycle.more_body  # type: ignore[typeddict-unknown-key]
        task = asyncio.Task(cycle.run_asgi(app), loop=self.loop, **_EAGER)
        if not task.done():
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    # --- the parser's calls ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start the clock for the headers of a request."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._header_bytes = 0
        self.reading_headers = True
        if self.idle:
            self.idle = False
            self.since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Make the ASGI scope; the application is started by `data_received`, when all the data at hand is parsed."""
        self.reading_headers = False
        if self.url != self._last_url:
            parsed = httptools.parse_url(self.url)
            path = parsed.path.decode("ascii")
            self._target = (unquote(path) if "%" in path else path, parsed.path, parsed.query or b"")
            self._last_url = self.url
        path, raw_path, query = self._target
        parser = self.parser
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": {"client_verified": self._client_verified},
        }
        previous = self.cycle
        self.cycle = cycle = Cycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version == "1.1" and not self.shared.draining and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if previous is None or previous.response_complete:
            self._start = (cycle, self.app)
        else:  # pipelined
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        """Go idle, or on to the next pipelined request."""
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and cycle.more_body and cycle.response_complete and not cycle.keep_alive:
            self._lingering = True
            self.flow.resume_reading()
        elif self.pipeline:
            # Reading stays paused until all are answered: a client that sends without end would fill the memory. And
            # the next is not started within this call: thousands of pipelined requests would nest.
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.idle = not self.reading_headers
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """Hand on the end of a body, or close now if that was all the connection lingered for."""
        if self._lingering:
            self.transport.close()
        else:
            super().on_message_complete()

    # --- the server's calls ------------------------------------------------------------------------------------------

    def overdue(self, now: float) -> bool:
        """Tell whether the present phase has lasted longer than its limit."""
        limits = self.shared.limits
        if self._lingering:
            allowed = limits.linger_seconds
        elif self.idle:
            allowed = limits.keep_alive_seconds
        elif self._answering():
            allowed = limits.request_seconds
        else:
            allowed = limits.header_seconds
        return now - self.since > allowed

    def expire(self) -> None:
        """End the connection as its phase demands."""
        if self.idle or self._lingering:
            self.transport.close()
        elif self._answering():
            self.shared.recorder.refused("request-timeout", "the client did not take its answer")
            self.transport.abort()
        else:
            self.refuse(408)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def retire(self) -> None:
        """Let the answers under way be the last."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def refuse(self, status: int) -> None:
        """Answer what never became a request, throw away what else comes, and close."""
        reason = _REASONS[status]
        self.shared.recorder.refused("http", reason)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # what the application still answers goes nowhere
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            text = reason.encode("ascii")
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
                % len(text)
                + text
            )
            self._lingering = True
        else:
            self.transport.close()
        self.parser = None
        self.since = self.loop.time()


def _since(connection: Connection) -> float:
    return connection.since

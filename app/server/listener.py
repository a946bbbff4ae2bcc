"""The server process: listens, ticks once a second, and drains when it is told to stop.

Draining, so that not one review is lost in a rolling restart:

1. At SIGTERM or SIGINT readiness turns 503 and every answer becomes the last of its connection (`Connection: close`),
   so clients move to another replica between two requests. Listening goes on: the Service sends new connections here
   until its endpoints are updated.
2. After `drain_seconds` listening ends. Requests under way are answered; a connection is closed once it has been idle
   for `IDLE_GRACE_SECONDS`, as its client may just be sending on one that it used a moment ago.
3. When no connection is left, the process ends with 0. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from app.errors import ConfigError
from app.server.limits import Limits
from app.server.protocol import Connection, Shared
from app.server.settings import Settings

IDLE_GRACE_SECONDS = 1.0
TICK_SECONDS = 1.0
_SHUTDOWN_TLS_SECONDS = 2.0
_BACKLOG = 2048

_log = logging.getLogger("pratique.server")


class Listener(uvicorn.Server):
    """One process, one event loop, HTTPS only."""

    def __init__(
        self,
        application: Any,
        settings: Settings,
        tls: ssl.SSLContext,
        shared: Shared,
        ticks: Sequence[Callable[[], object]] = (),
    ) -> None:
        """Serve the ASGI `application` at the address and port of the settings.

        Each of `ticks` is called about once a second; it must neither raise nor wait.
        """
        config = uvicorn.Config(
            application,
            host=settings.bind_address or None,  # type: ignore[arg-type]
            port=settings.port,
            loop="uvloop",
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        super().__init__(config)
        self._tls = tls
        self._shared = shared
        self._ticks = ticks
        self._on_ready: Callable[[int], None] = _nothing
        self._stop = asyncio.Event()
        self._force = asyncio.Event()

    @property
    def _limits(self) -> Limits:
        return self._shared.limits

    async def serve_until_stopped(self, on_ready: Callable[[int], None]) -> int:
        """Serve, calling `on_ready(port)` once connections are accepted; return the exit code.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self._on_ready = on_ready
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_signal, number)
        try:
            await self._serve(None)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        return 1 if self._force.is_set() else 0

    def on_signal(self, number: int) -> None:
        """Begin to drain; at the second signal, stop."""
        if self._shared.draining:
            _log.warning("second signal: stopping at once")
            self._force.set()
            self._stop.set()
            return
        seconds = self._limits.drain_seconds
        _log.info("%s: draining for %g s, then stopping", signal.Signals(number).name, seconds)
        self._shared.drain()
        asyncio.get_running_loop().call_later(seconds, self._stop.set)

    # --- uvicorn's steps, in their order -----------------------------------------------------------------------------

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with the time-outs of TLS that uvicorn has no settings for."""
        del sockets
        config, shared, state = self.config, self._shared, self.server_state
        loop = asyncio.get_running_loop()
        await self.on_tick(0)
        try:
            server = await loop.create_server(
                lambda: Connection(shared, config, state, loop),
                host=config.host,
                port=config.port,
                ssl=self._tls,
                backlog=_BACKLOG,
                ssl_handshake_timeout=self._limits.handshake_seconds,
                ssl_shutdown_timeout=_SHUTDOWN_TLS_SECONDS,
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {config.host or '*'}:{config.port}: {error.strerror or error}",
                "another process may hold the port: choose one with --port",
            ) from error
        self.servers = [server]
        self.started = True
        self._on_ready(server.sockets[0].getsockname()[1])

    async def main_loop(self) -> None:
        """Tick until told to stop."""
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            await _wait(self._stop, TICK_SECONDS)
            await self.on_tick(0)  # the Date header
            self._shared.sweep(loop.time())
            for tick in self._ticks:
                tick()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and wait for what is under way."""
        del sockets
        shared, loop = self._shared, asyncio.get_running_loop()
        for server in self.servers:
            server.close()
        grace = min(IDLE_GRACE_SECONDS, self._limits.drain_seconds)
        listened_until = loop.time()
        while not self._force.is_set():
            now = loop.time()
            shared.close_idle(now, grace)
            shared.sweep(now)
            # A handshake may still be under way, on a connection that was accepted a moment ago.
            if not shared.connections and now - listened_until >= grace:
                break
            await _wait(self._force, 0.02)
        left = len(self.server_state.tasks)
        for connection in list(shared.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        if left:
            _log.error("%d requests were cut off", left)
        _log.info("stopped")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _nothing(_port: int) -> None:
    """Be told that the server is ready, and do nothing about it."""

"""From settings to a serving process: the one place where the parts are put together."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from app.cluster.namespaces import Namespaces, open_namespaces
from app.gather import Gather
from app.observe.build import version
from app.observe.metrics import Metrics
from app.observe.recorder import Recorder
from app.server.application import Application, Endpoint
from app.server.configuration import Configuration
from app.server.health import Probe
from app.server.listener import Listener
from app.server.protocol import Shared
from app.server.selfsigned import Generation
from app.server.settings import Settings
from app.server.tls import Certificates, from_memory, load
from app.server.validate import Validate

_log: Final = logging.getLogger("pratique.server")
_OPEN_FILES: Final = 65536
_GC_OBJECTS: Final = 50_000
"""Objects between two looks of the cycle collector: a review leaves no cycles, and its structs are not tracked."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known once connections are accepted."""

    address: str
    """As it was asked to listen on."""
    port: int

    @property
    def url(self) -> str:
        """Base URL; an address that means all of them stays as it is."""
        return f"https://{f'[{self.address}]' if ':' in self.address else self.address or '*'}:{self.port}"


def run(settings: Settings, on_ready: Callable[[Ready], None], generation: Generation | None = None) -> int:
    """Serve until a signal ends it; return the exit code.

    `generation` is a self-signed pair that is already in the making; only looked at where `settings` name no files.

    Raises:
        ConfigError: a file or an address that cannot be used.
    """
    _allow_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, on_ready, generation))


async def _serve(settings: Settings, on_ready: Callable[[Ready], None], generation: Generation | None) -> int:
    metrics = Metrics(version())
    recorder = Recorder(metrics)
    configuration = Configuration(settings.configuration, settings.controllers, metrics)
    loaded = load(settings.tls) if settings.tls else from_memory((generation or Generation()).result())
    certificates = Certificates(loaded, settings.tls, metrics)
    namespaces = _open_namespaces(settings.kubeconfig)
    shared = Shared(settings.limits, recorder, wants_certificate=certificates.asks_client)

    def shutdown() -> str:
        return "draining" if shared.draining else ""

    def certificate() -> str:
        return "expired" if certificates.expires < time.time() else ""

    def known() -> str:
        if namespaces is None or namespaces.ready:
            return ""
        return namespaces.trouble or "the first list is not complete"

    probes: dict[str, Probe] = {"certificate": certificate, "namespaces": known, "shutdown": shutdown}

    def operations() -> Endpoint:
        from app.server import operations  # noqa: PLC0415 - see app.server.application

        return operations.operations(probes, metrics.text, version())

    application = Application(
        Validate(configuration, Gather(namespaces), settings.limits, recorder),
        operations,
        ready=probes,
        refused=recorder.refused,
        wants_certificate=certificates.asks_client,
    )
    ticks = (certificates.poll, configuration.poll, recorder.flush)
    listener = Listener(application, settings, certificates.listener, shared, ticks)
    if settings.tls is None:
        _log.warning("self-signed certificate: clients must be told to trust it; a cluster needs --tls-cert-file")
    if namespaces is None:
        _log.warning("no cluster: labels of namespaces are not known, the configuration's defaults apply everywhere")

    def listening(port: int) -> None:
        on_ready(Ready(settings.bind_address, port))
        # What start-up made lives for ever: the collector need not look at it again.
        application.load().add_done_callback(lambda _: gc.freeze())
        gc.set_threshold(_GC_OBJECTS, 20, 50)

    try:
        return await listener.serve_until_stopped(listening)
    finally:
        if namespaces is not None:
            await namespaces.close()


def _open_namespaces(kubeconfig: Path | None) -> Namespaces | None:
    """Start to watch the cluster's namespaces; None where there is no cluster."""
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    return open_namespaces(kubeconfig)


def _allow_open_files() -> None:
    """Raise the soft limit of open files towards the hard one: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

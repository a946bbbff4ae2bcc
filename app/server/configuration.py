"""The snapshot in use, and how a changed configuration file becomes the next one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from app.catalog import catalog
from app.core.plan import Modes, Snapshot
from app.errors import ConfigError
from app.observe.metrics import Metrics

_log = logging.getLogger("pratique.configuration")

Controllers = Literal["warn", "enforce"]


def load_snapshot(path: Path | None, controllers: Controllers) -> Snapshot:
    """Compile a PodSecurityConfiguration, or none, into what judging needs.

    Raises:
        ConfigError: the file cannot be read or does not mean anything; its diagnosis lists every problem.
    """
    rules, enforce_controllers = catalog().rules, controllers == "enforce"
    if path is None:
        return Snapshot(rules=rules, enforce_controllers=enforce_controllers)
    from app.config.podsecurity import load  # noqa: PLC0415 - the YAML reader is 5 MiB that most servers do without

    configuration = load(path)
    defaults, exemptions = configuration.defaults, configuration.exemptions
    return Snapshot(
        rules=rules,
        defaults=Modes(enforce=defaults.enforced, audit=defaults.audited, warn=defaults.warned),
        exempt_usernames=frozenset(exemptions.usernames),
        exempt_namespaces=frozenset(exemptions.namespaces),
        exempt_runtime_classes=frozenset(exemptions.runtime_classes),
        enforce_controllers=enforce_controllers,
    )


class Configuration:
    """Holds `snapshot`, which is replaced whole; readers take it once per request."""

    snapshot: Snapshot

    def __init__(
        self, path: Path | None, controllers: Controllers, metrics: Metrics, wall: Callable[[], float] = time.time
    ) -> None:
        """Load the first snapshot. Raises ConfigError: at start-up a bad file is fatal."""
        self._path = path
        self._controllers = controllers
        self._metrics = metrics
        self._wall = wall
        self._seen = _identity(path)
        self.snapshot = load_snapshot(path, controllers)
        metrics.configured(wall())

    def poll(self) -> None:
        """Look at the file once; a changed file that is good takes effect, a bad one is reported and has none."""
        identity = _identity(self._path)
        if identity == self._seen:
            return
        self._seen = identity
        try:
            self.snapshot = load_snapshot(self._path, self._controllers)
        except ConfigError as error:
            self._metrics.reloaded("configuration", success=False)
            _log.error("configuration not reloaded, the old one stays in force: %s", _told(error))
            return
        self._metrics.reloaded("configuration", success=True)
        self._metrics.configured(self._wall())
        _log.info("configuration reloaded from %s", self._path)


def _identity(path: Path | None) -> object:
    """What changes when the file does; kubelet swaps the directory that a symlink leads through."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _told(error: ConfigError) -> str:
    return f"{error.summary}\n{error.diagnosis}" if error.diagnosis else error.summary

"""Credentials from a program or an identity provider, through the official client in a short-lived child process.

`python -m app.cluster.credentials` imports the `kubernetes` package (about 20 MiB and half a second, gone when it
ends), runs the kubeconfig's `exec` plugin or refreshes its `auth-provider`, and prints what came out as JSON to a pipe
that only this process reads. It is asked again when its credentials expire and when the API server refuses them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

import app
from app.cluster.access import ClientCertificate
from app.errors import ClusterError

SECONDS: Final = 60.0
"""How long the child may take: plugins ask identity providers over the network."""
_EARLY: Final = 30.0
"""Seconds before the end of their life in which credentials are replaced."""
_PAUSE: Final = 5.0
"""Seconds between two runs that the server's refusals may cause."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the child prints. Its `error` never holds what a plugin printed."""

    authorization: str = ""
    """Value of the Authorization header."""
    certificate: str = ""
    key: str = ""
    expires: float = 0.0
    """Seconds since the epoch; zero: unknown."""
    error: str = ""

    def __repr__(self) -> str:
        return f"Answer(error={self.error!r}, expires={self.expires})"


class External:
    """The user's credentials, fetched when first needed and kept until they expire or are refused."""

    def __init__(
        self,
        kubeconfig: Mapping[str, Any],
        folder: Path,
        source: str,
        command: tuple[str, ...] = (sys.executable, "-m", "app.cluster.credentials"),
    ) -> None:
        """`kubeconfig` has the one context to use; `folder` is where its relative paths start."""
        self._request = msgspec.json.encode({"kubeconfig": kubeconfig, "folder": str(folder)})
        self._source = source
        self._command = command
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._asked = 0.0

    def headers(self) -> Mapping[str, str]:
        """The Authorization header, if that is what the plugin gives."""
        answer = self._current()
        return {"Authorization": answer.authorization} if answer.authorization else {}

    def certificate(self) -> ClientCertificate | None:
        """The client certificate, if that is what the plugin gives."""
        answer = self._current()
        return ClientCertificate(answer.certificate.encode(), answer.key.encode()) if answer.certificate else None

    def renew(self) -> bool:
        """Ask again, unless that has just been done."""
        with self._lock:
            if time.monotonic() - self._asked < _PAUSE:
                return False
            before, self._answer = self._answer, None
            self._answer = self._ask()
            return before != self._answer

    def _current(self) -> Answer:
        with self._lock:
            if self._answer is None or 0 < self._answer.expires < time.time() + _EARLY:
                self._answer = self._ask()
            return self._answer

    def _ask(self) -> Answer:
        try:
            return self._run()
        finally:
            self._asked = time.monotonic()  # a slow plugin's pause begins when it is done

    def _run(self) -> Answer:
        root = str(Path(app.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                self._command,
                input=self._request,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a plugin may print secrets there
                timeout=SECONDS,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(f"{self._source}: no credentials within {SECONDS:.0f} s") from None
        except OSError as cause:
            raise ClusterError(f"{self._source}: cannot ask for credentials: {cause.strerror}") from None
        try:
            answer = msgspec.json.decode(done.stdout, type=Answer)
        except msgspec.MsgspecError:
            raise ClusterError(f"{self._source}: the credentials process ended with code {done.returncode}") from None
        if answer.error:
            raise ClusterError(f"{self._source}: {answer.error}")
        return answer

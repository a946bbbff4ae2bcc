"""The reference: the Pod Security Admission webhook of k8s.io/pod-security-admission, as a process."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Final, Self

from tests.differential.wire import Pipeline, WireError
from tests.differential.worlds import World
from tests.kube.build import binary
from tests.kube.certs import Authority
from tests.kube.process import Process, free_ports

START_SECONDS: Final = 60.0
PROGRAM: Final = "PRATIQUE_PSA_WEBHOOK"
"""Environment variable: path of a webhook built elsewhere, used instead of building one."""


class Serving:
    """A certificate for loopback, written to a folder, and the client context that trusts it."""

    def __init__(self, folder: Path) -> None:
        """Make the certificate and write `tls.crt`, `tls.key` and `ca.crt`."""
        authority = Authority()
        self.certificate, self.key = authority.issue("localhost", "127.0.0.1").write(folder)
        self.authority = folder / "ca.crt"
        self.authority.write_bytes(authority.pem)

    def context(self) -> ssl.SSLContext:
        """A client context that accepts this certificate alone."""
        return ssl.create_default_context(cafile=self.authority)


class Reference:
    """One webhook process for one configuration; a context manager. `port` is where it serves HTTPS."""

    def __init__(self, world: World, kubeconfig: Path, serving: Serving, folder: Path) -> None:
        """Prepare to run for `world` against the API of `kubeconfig`; files go to `folder`."""
        self._world = world
        self._kubeconfig = kubeconfig
        self._serving = serving
        self._folder = folder / f"reference-{world.name}"
        self.port = free_ports(1)[0]

    def __enter__(self) -> Self:
        """Start the process and wait until its namespace cache is filled.

        Raises:
            NotReadyError: it exited, or was not ready in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "config.json"
        config.write_text(json.dumps(self._world.configuration()), encoding="utf-8")
        command = [
            os.environ.get(PROGRAM) or binary("psa-webhook"),
            *(f"--kubeconfig={self._kubeconfig}", f"--config={config}"),
            *(f"--secure-port={self.port}", "--bind-address=127.0.0.1"),
            *(f"--tls-cert-file={self._serving.certificate}", f"--tls-private-key-file={self._serving.key}"),
            *("--client-qps-limit=100000", "--client-qps-burst=100000"),
        ]
        self._process = Process(command, self._folder / "log")
        try:
            self._process.wait_until(lambda: ready(self.port, self._serving), "/readyz says yes", START_SECONDS)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the process."""
        self._process.stop()


def ready(port: int, serving: Serving) -> bool:
    """Whether `https://127.0.0.1:port/readyz` answers 200."""
    try:
        pipeline = Pipeline(port, serving.context())
    except OSError:
        return False
    try:
        return pipeline.get("/readyz")[0] == 200
    except (OSError, WireError):
        return False
    finally:
        pipeline.close()

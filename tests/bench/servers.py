"""The two webhooks as processes: Pratique and Kubernetes' Pod Security Admission, with equal files and one CPU each."""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import urllib3

from tests.bench.load import Target
from tests.bench.machine import pinned
from tests.bench.reviews import CONFIGURATION
from tests.kube.build import binary
from tests.kube.certs import Authority
from tests.kube.go import ROOT
from tests.kube.process import Process, free_ports, wait_for

OURS, THEIRS = "pratique", "psa-webhook"
START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.004


class Files:
    """What both servers are given: certificate and key, the authority that signed them, and the configuration."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority("Pratique bench CA")
        self.folder = folder
        self.kubeconfig = kubeconfig
        self.certificate, self.key = authority.issue("127.0.0.1", "localhost").write(folder)
        self.authority = folder / "ca.crt"
        self.authority.write_bytes(authority.pem)
        self.pem = authority.pem
        self.configuration = folder / "config.json"
        self.configuration.write_text(json.dumps(CONFIGURATION))


@dataclass
class Server:
    """One running webhook."""

    name: str
    process: Process
    port: int
    ready_seconds: float
    """From the start of the process to the first 200 of /readyz."""
    authority: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def target(self) -> Target:
        """Where its reviews go."""
        return Target(f"https://127.0.0.1:{self.port}/validate?timeout=10s", self.authority)

    def get(self, path: str) -> int:
        """Status of a GET; 0 if nothing answers."""
        context = ssl.create_default_context(cafile=str(self.authority))
        pool = urllib3.HTTPSConnectionPool("127.0.0.1", self.port, ssl_context=context, timeout=30.0, retries=False)
        try:
            return pool.request("GET", path).status
        except urllib3.exceptions.HTTPError:
            return 0
        finally:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.stop()


def pratique(files: Files, processor: int | None = None) -> Server:
    """Start `python -m app serve` and wait until it is ready."""

    def command(port: int) -> Sequence[str | Path]:
        return [
            *(sys.executable, "-m", "app", "serve", "--bind-address=127.0.0.1", f"--port={port}"),
            *(f"--tls-cert-file={files.certificate}", f"--tls-private-key-file={files.key}"),
            *(f"--config={files.configuration}", f"--kubeconfig={files.kubeconfig}", "--drain-seconds=0"),
        ]

    return _start(OURS, command, files, processor)


def psa_webhook(files: Files, processor: int | None = None) -> Server:
    """Start Kubernetes' webhook, with GOMAXPROCS=1, and wait until it is ready."""
    program = binary(THEIRS)

    def command(port: int) -> Sequence[str | Path]:
        return [
            *(program, "--bind-address=127.0.0.1", f"--secure-port={port}"),
            *(f"--tls-cert-file={files.certificate}", f"--tls-private-key-file={files.key}"),
            *(f"--config={files.configuration}", f"--kubeconfig={files.kubeconfig}"),
        ]

    return _start(THEIRS, command, files, processor)


START: Final = {OURS: pratique, THEIRS: psa_webhook}


def _start(name: str, command: Callable[[int], Sequence[str | Path]], files: Files, processor: int | None) -> Server:
    port = free_ports(1)[0]
    context = ssl.create_default_context(cafile=str(files.authority))

    def ready() -> bool:
        pool = urllib3.HTTPSConnectionPool("127.0.0.1", port, ssl_context=context, timeout=5.0, retries=False)
        try:
            return pool.request("GET", "/readyz").status == 200
        except urllib3.exceptions.HTTPError:
            return False
        finally:
            pool.close()

    log = files.folder / f"{name}.log"
    # Where the environment forbids bytecode files, every start would compile every module anew.
    env = {"GOMAXPROCS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    started = time.monotonic()
    if processor is None:
        process = Process(command(port), log, env=env, cwd=ROOT)
    else:
        with pinned(processor):
            process = Process(command(port), log, env=env, cwd=ROOT)
    try:
        wait_for(lambda: ready() or process.exit_code is not None, f"{name} ready", START_SECONDS, _POLL_SECONDS)
        seconds = time.monotonic() - started
        if process.exit_code is not None:
            raise RuntimeError(f"{name} ended at its start:\n{process.text()[-2000:]}")  # noqa: TRY301 - stops it below
    except BaseException:
        process.stop()
        raise
    server = Server(name, process, port, seconds, files.authority)
    server.get("/version")  # Pratique loads what answers this after it is ready: it must not do so while measured
    return server

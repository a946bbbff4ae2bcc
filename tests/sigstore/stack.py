"""sigstore on loopback: Fulcio, CT log, OIDC issuers, Rekor v1 and v2, timestamp authority and two registries.

    with Stack(folder) as stack:
        stack.cosign("sign", "--signing-config", stack.signing["keyless-v1"], ...)

All of it is the real thing (tests/kube/build.py pins it), except the OIDC issuers and the CT log (identities.py) and
the database of Rekor v1 (programs/logstorage). It is up in a second or two once its programs are built.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from tests.kube.build import binary
from tests.kube.process import Process, free_ports
from tests.sigstore.authorities import PASSWORD, Authorities
from tests.sigstore.identities import Person, Services, fulcio_config

_START = "2026-01-01T00:00:00Z"
_HOST = "127.0.0.1"
PROGRAMS = ("cosign", "fulcio", "rekor-v1", "rekor-v2", "oci-registry", "log-storage", "timestamps")
COSIGN_SECONDS = 90


class CosignError(AssertionError):
    """cosign refused what had to work; the message has what it printed."""


@dataclass(frozen=True)
class Said:
    """What cosign answered."""

    code: int
    output: str
    """Standard output."""
    complaint: str
    """The last line on standard error, without 'Error: '; '' if it succeeded."""


class Stack:
    """The running services; see the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._ends = contextlib.ExitStack()
        self.binaries = {name: binary(name) for name in PROGRAMS}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # Services.

    def _start(self, ends: contextlib.ExitStack) -> None:
        self.authorities = keys = Authorities(self.folder)
        self.services = ends.enter_context(Services(keys.oidc, keys.ct))
        fulcio, fulcio_grpc, tsa, api, plain, storage, rekor, tiles, tiles_grpc, tiles_metrics = free_ports(10)
        self.registry, self.plain_registry = f"{_HOST}:{api}", f"{_HOST}:{plain}"
        self.urls = {
            "fulcio": f"http://{_HOST}:{fulcio}",
            "tsa": f"http://{_HOST}:{tsa}/api/v1/timestamp",
            "rekor-v1": f"http://{_HOST}:{rekor}",
            "rekor-v2": f"http://{_HOST}:{tiles}",
            **self.services.urls,
        }
        config = self.folder / "fulcio.yaml"
        config.write_text(yaml.safe_dump(fulcio_config(self.services.urls)))
        started = [
            (self._run(ends, "log-storage", f"--address={_HOST}:{storage}"), storage),
            (self._run(ends, "oci-registry", f"--address={_HOST}:{api}", "--referrers", log="registry"), api),
            (self._run(ends, "oci-registry", f"--address={_HOST}:{plain}", log="plain-registry"), plain),
            (
                self._run(
                    ends,
                    "timestamps",
                    f"--port={tsa}",
                    f"--key={keys.tsa_key}",
                    f"--password={PASSWORD}",
                    f"--chain={keys.tsa_chain}",
                ),
                tsa,
            ),
            (self._rekor_v2(ends, tiles, tiles_grpc, tiles_metrics), tiles),
            (self._fulcio(ends, config, fulcio, fulcio_grpc), fulcio),
        ]
        started[0][0].wait_until(lambda: _open(storage), "it listens")
        started.append((self._rekor_v1(ends, rekor, storage), rekor))
        for process, port in started:
            process.wait_until(functools.partial(_open, port), "it listens")
        started[-1][0].wait_until(lambda: _answers(rekor, "/api/v1/log"), "it has a tree")
        self._describe()

    def _run(self, ends: contextlib.ExitStack, name: str, *arguments: str, log: str = "") -> Process:
        command: list[str | Path] = [self.binaries[name], *arguments]
        return ends.enter_context(
            Process(command, self.folder / "logs" / f"{log or name}.log", cwd=self.folder, env=self._environment())
        )

    def _fulcio(self, ends: contextlib.ExitStack, config: Path, port: int, grpc: int) -> Process:
        keys = self.authorities
        return self._run(
            ends,
            "fulcio",
            "serve",
            f"--host={_HOST}",
            f"--port={port}",
            f"--grpc-host={_HOST}",
            f"--grpc-port={grpc}",
            "--metrics-port=0",  # it has no host of its own, so at least not a port that is known
            f"--legacy-unix-domain-socket=@pratique-fulcio-{port}",
            "--ca=fileca",
            f"--fileca-cert={keys.fulcio_chain}",
            f"--fileca-key={keys.fulcio_key}",
            f"--fileca-key-passwd={PASSWORD}",
            "--fileca-watch=false",
            f"--config-path={config}",
            f"--ct-log-url={self.services.urls['ct']}",
        )

    def _rekor_v1(self, ends: contextlib.ExitStack, port: int, storage: int) -> Process:
        return self._run(
            ends,
            "rekor-v1",
            "serve",
            f"--host={_HOST}",
            f"--port={port}",
            f"--rekor_server.address={_HOST}",
            "--rekor_server.hostname=rekor.pratique.test",
            f"--rekor_server.signer={self.authorities.rekor_v1_key}",
            f"--trillian_log_server.address={_HOST}",
            f"--trillian_log_server.port={storage}",
            "--enable_retrieve_api=false",
        )

    def _rekor_v2(self, ends: contextlib.ExitStack, port: int, grpc: int, metrics: int) -> Process:
        return self._run(
            ends,
            "rekor-v2",
            "serve",
            f"--http-address={_HOST}",
            f"--http-port={port}",
            f"--grpc-address={_HOST}",
            f"--grpc-port={grpc}",
            f"--http-metrics-port={metrics}",
            f"--hostname={_HOST}",  # clients expect the host of its URL as the origin of checkpoints
            f"--storage-dir={self.folder / 'rekor-v2'}",
            f"--signer-filepath={self.authorities.rekor_v2_key}",
            "--checkpoint-interval=200ms",
        )

    # What clients are told.

    def _describe(self) -> None:
        """Write trusted_root.json and a signing config for each way to sign, with cosign's own commands."""
        keys, urls = self.authorities, self.urls
        self.trusted_root_file = self.folder / "trusted_root.json"
        start = f"start-time={_START}"
        self.run(
            "trusted-root",
            "create",
            f"--fulcio=url={urls['fulcio']},certificate-chain={keys.fulcio_chain},{start}",
            f"--ctfe=url={urls['ct']},public-key={keys.ct_public},{start}",
            f"--tsa=url={urls['tsa']},certificate-chain={keys.tsa_chain},{start}",
            f"--rekor=url={urls['rekor-v1']},public-key={keys.rekor_v1_public},{start}",
            f"--rekor=url={urls['rekor-v2']},public-key={keys.rekor_v2_public},{start},origin={_HOST}",
            f"--out={self.trusted_root_file}",
        )
        self.trusted_root = self.trusted_root_file.read_bytes()
        common = f"{start},operator=pratique.test"
        people = (
            f"--fulcio=url={urls['fulcio']},api-version=1,{common}",
            f"--oidc-provider=url={urls['people']},api-version=1,{common}",
        )
        stamp = (f"--tsa=url={urls['tsa']},api-version=1,{common}", "--tsa-config=ANY")
        first = (f"--rekor=url={urls['rekor-v1']},api-version=1,{common}", "--rekor-config=ANY")
        second = (f"--rekor=url={urls['rekor-v2']},api-version=2,{common}", "--rekor-config=ANY")
        self.signing = {
            "v1": self._signing_config("v1", *people, *first),
            "v1-tsa": self._signing_config("v1-tsa", *people, *first, *stamp),
            "v2": self._signing_config("v2", *people, *second, *stamp),
            "tsa": self._signing_config("tsa", *people, *stamp),
            "none": self._signing_config("none"),
        }
        self.run("generate-key-pair", f"--output-key-prefix={self.folder / 'cosign'}")
        self.run("generate-key-pair", f"--output-key-prefix={self.folder / 'other'}")
        self.key, self.other_key = self.folder / "cosign.key", self.folder / "other.key"

    def _signing_config(self, name: str, *arguments: str) -> Path:
        path = self.folder / f"signing-{name}.json"
        self.run("signing-config", "create", *arguments, f"--out={path}")
        return path

    # cosign.

    def cosign(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Said:
        """Run cosign, whatever comes of it."""
        done = subprocess.run(
            [self.binaries["cosign"], *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COSIGN_SECONDS,
            cwd=self.folder,
            env={**self._environment(), **(env or {})},
        )
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("Error: ")] or lines[-1:]
        complaint = errors[0].removeprefix("Error: ") if done.returncode and errors else ""
        return Said(done.returncode, done.stdout, complaint)

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run cosign for something that has to work; gives its standard output.

        Raises:
            CosignError: it did not.

        """
        said = self.cosign(*arguments, env=env)
        if said.code:
            raise CosignError(f"cosign {' '.join(map(str, arguments))}: {said.complaint}\n{said.output}")
        return said.output

    def token(self, person: Person) -> str:
        """An identity token for cosign's --identity-token."""
        return self.services.token(person)

    def _environment(self) -> dict[str, str]:
        """No home but ours, no proxy, nothing that changes what cosign does."""
        kept = {
            name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR", "SSL_CERT_FILE"}
        }
        return {**kept, "HOME": str(self.folder), "COSIGN_PASSWORD": PASSWORD, "DO_NOT_TRACK": "1"}


def _open(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), 1):
            return True
    except OSError:
        return False


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()

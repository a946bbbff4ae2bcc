"""The cluster of $KUBECONFIG (a kind cluster, say) behind the same interface as `Cluster`.

It must reach the webhooks that the tests start on this machine: $PRATIQUE_E2E_HOST names the address to use, and for
kind the gateway of Docker's network `kind` is found. $PRATIQUE_E2E_AUDIT_LOG may name the apiserver's audit log; the
one of a kind cluster made with kind-config.yaml is read from its node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3

from tests.kube.access import Access, Answer, Result, UnusableError, current_context, read_kubeconfig
from tests.kube.cluster import ADMIN, GROUPS
from tests.kube.go import BUILD
from tests.kube.process import Process, wait_for

_KIND_AUDIT_LOG = "/var/log/kubernetes/audit.log"  # as kind-config.yaml says


class ExistingCluster:
    """A cluster that runs already and keeps running; its other users are impersonated."""

    own = False

    def __init__(self, kubeconfig: Path) -> None:
        self.folder = BUILD / "kube" / "existing"
        self.processes: dict[str, Process] = {}
        self._source = kubeconfig
        self._users: dict[str, Access] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        credentials = read_kubeconfig(self._source, self.folder)
        self.server = credentials.server
        for user in GROUPS:
            theirs = credentials if user == ADMIN else replace(credentials, impersonate=user)
            kubeconfig = theirs.write_kubeconfig(self.folder / f"{user}.kubeconfig")
            self._users[user] = Access(theirs, kubeconfig, self.folder / "kubectl-cache")
        try:
            answer = self.request("GET", "/readyz", seconds=10.0)
        except urllib3.exceptions.HTTPError as error:
            raise UnusableError(f"nothing answers at {self.server}: {error}") from error
        if answer.status != 200:
            raise UnusableError(f"{self.server} answered {answer.status} to GET /readyz")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for access in self._users.values():
            access.close()

    @property
    def host(self) -> str:
        """Address by which the cluster reaches this machine.

        Raises:
            UnusableError: it is not known.

        """
        if given := os.environ.get("PRATIQUE_E2E_HOST"):
            return given
        with suppress(OSError, subprocess.SubprocessError, ValueError, LookupError):
            command = ["docker", "network", "inspect", "kind"]
            network = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)
            gateways = [entry.get("Gateway", "") for entry in network[0]["IPAM"]["Config"]]
            return next(str(gateway) for gateway in gateways if "." in gateway)
        raise UnusableError("set PRATIQUE_E2E_HOST to the address by which the cluster reaches this machine")

    @property
    def kubeconfig(self) -> Path:
        return self._users[ADMIN].kubeconfig

    def access(self, user: str = ADMIN) -> Access:
        return self._users[user]

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = ADMIN, seconds: float = 60.0) -> Result:
        return self._users[user].kubectl(*arguments, stdin=stdin, seconds=seconds)

    def request(self, method: str, path: str, body: object = None, *, user: str = ADMIN, **options: Any) -> Answer:
        return self._users[user].request(method, path, body, **options)

    def audit_events(self) -> list[dict[str, Any]]:
        """The audit log, oldest event first.

        Raises:
            UnusableError: there is none that we know of.

        """
        lines = self._audit_log().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def _audit_log(self) -> str:
        if log := os.environ.get("PRATIQUE_E2E_AUDIT_LOG"):
            return Path(log).read_text(errors="replace")
        kind, _, name = current_context(self._source).partition("-")
        if kind == "kind" and name:
            command = ["docker", "exec", f"{name}-control-plane", "cat", _KIND_AUDIT_LOG]
            with suppress(OSError, subprocess.SubprocessError):
                return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        raise UnusableError("set PRATIQUE_E2E_AUDIT_LOG to the apiserver's audit log")

    def audit_event(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """As `Cluster.audit_event`."""
        return wait_for(
            lambda: next((event for event in reversed(self.audit_events()) if wanted(event)), None) or {},
            "an audit event",
            30.0,
        )

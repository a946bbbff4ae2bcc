"""A control plane of one's own: etcd and kube-apiserver on loopback, with an audit log, gone at the end.

    with Cluster("demo") as cluster:
        print(cluster.kubectl("get", "namespaces").stdout)

No scheduler, no controllers and no nodes run: objects are admitted and stored, and nothing else happens to them. The
built-in PodSecurity plugin is off, so that what the tests see comes from a webhook, and so is ServiceAccount, because
no controller would create the accounts that it insists on.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3
import yaml

from tests.kube import certs
from tests.kube.access import Access, Answer, Credentials, Result
from tests.kube.build import binary
from tests.kube.go import BUILD
from tests.kube.process import NotReadyError, Process, free_ports, wait_for

ADMIN, DEVELOPER, ROBOT, WEBHOOK, STRANGER = "admin", "developer", "robot", "webhook", "stranger"
GROUPS = {ADMIN: "system:masters", DEVELOPER: "developers", ROBOT: "robots", WEBHOOK: "webhooks", STRANGER: "strangers"}
_ATTEMPTS = 3  # a free port may be taken between finding and using it
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch"]},
        {"level": "None"},
    ],
}


class Cluster:
    """etcd and an apiserver; `with` starts and stops them. Logs stay in build/kube/<name>/."""

    #: Whether the tests own the apiserver: its flags, its audit log, and that it reaches 127.0.0.1.
    own = True

    def __init__(
        self, name: str, *, flags: Sequence[str] = (), env: Mapping[str, str] | None = None, audit: bool = True
    ) -> None:
        self.folder = BUILD / "kube" / name
        self.server = ""
        self._flags = tuple(flags)
        self._env = dict(env or {})
        self._audit = audit
        self._command: list[str | Path] = []
        self._users: dict[str, Access] = {}
        self._cleanup = ExitStack()
        self.processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self._claim())
            for attempt in range(_ATTEMPTS):
                with ExitStack() as processes:
                    try:
                        self._start(processes)
                    except NotReadyError as error:
                        if "address already in use" not in str(error) or attempt == _ATTEMPTS - 1:
                            raise
                    else:
                        undo.push(processes.pop_all())
                        break
            self._cleanup = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.__exit__(kind, error, trace)

    @contextmanager
    def _claim(self) -> Iterator[None]:
        """The folder, emptied, and no other run's for as long as this one lasts."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotReadyError(f"another run is using {self.folder}") from None
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            yield

    def _start(self, processes: ExitStack) -> None:
        etcd_port, peer_port, port = free_ports(3)
        client, peer = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        etcd = Process(
            [
                binary("etcd"),
                "--name=test",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=test={peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            self.folder / "etcd.log",
        )
        processes.enter_context(etcd)
        etcd.wait_until(lambda: _status(f"{client}/health") == 200, "healthy")
        self.server = f"https://127.0.0.1:{port}"
        self._command = self._apiserver_command(client, port)
        apiserver = self._run_apiserver()
        processes.callback(self._stop_apiserver)
        self._users = {user: self._access(user) for user in GROUPS}
        for access in self._users.values():
            processes.callback(access.close)
        apiserver.wait_until(self._ready, "ready", 120.0)
        self.processes["etcd"] = etcd

    def _run_apiserver(self) -> Process:
        count = len(list(self.folder.glob("kube-apiserver*.log")))
        log = self.folder / f"kube-apiserver{f'-{count}' if count else ''}.log"
        started = self.processes["kube-apiserver"] = Process(self._command, log, env=self._env)
        return started

    def _stop_apiserver(self, seconds: float = 15.0) -> None:
        self.processes["kube-apiserver"].stop(seconds)

    def _apiserver_command(self, etcd: str, port: int) -> list[str | Path]:
        authority = certs.Authority("Pratique test cluster CA")
        (self.folder / "ca.crt").write_bytes(authority.pem)
        certificate, key = authority.issue("127.0.0.1", "localhost").write(self.folder, "apiserver")
        signer = self.folder / "service-account.key"
        signer.write_bytes(certs.rsa_key())
        tokens = self.folder / "tokens.csv"
        tokens.write_text("".join(f'{user}-token,{user},{user}-id,"{group}"\n' for user, group in GROUPS.items()))
        tokens.chmod(0o600)
        command: list[str | Path] = [
            binary("kube-apiserver"),
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={signer}",
            f"--service-account-signing-key-file={signer}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount,PodSecurity",
            "--allow-privileged=true",
        ]
        if self._audit:
            policy = self.folder / "audit-policy.yaml"
            policy.write_text(yaml.safe_dump(_AUDIT_POLICY))
            command += [f"--audit-policy-file={policy}", f"--audit-log-path={self.folder / 'audit.log'}"]
        return [*command, *self._flags]

    def _access(self, user: str) -> Access:
        credentials = Credentials(self.server, self.folder / "ca.crt", f"{user}-token")
        kubeconfig = credentials.write_kubeconfig(self.folder / f"{user}.kubeconfig")
        return Access(credentials, kubeconfig, self.folder / "kubectl-cache")

    def _ready(self) -> bool:
        try:
            # The namespace is what the first objects of a test wait for after the server calls itself ready.
            return all(self.request("GET", path).status == 200 for path in ("/readyz", "/api/v1/namespaces/default"))
        except urllib3.exceptions.HTTPError:
            return False

    # --- what tests use ---------------------------------------------------------------------------------------------
    def access(self, user: str = ADMIN) -> Access:
        """The user's kubectl and REST client."""
        return self._users[user]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._users[ADMIN].kubeconfig

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = ADMIN, seconds: float = 60.0) -> Result:
        """Run kubectl as the user."""
        return self._users[user].kubectl(*arguments, stdin=stdin, seconds=seconds)

    def request(self, method: str, path: str, body: object = None, *, user: str = ADMIN, **options: Any) -> Answer:
        """Call the REST API as the user."""
        return self._users[user].request(method, path, body, **options)

    def restart_apiserver(self) -> None:
        """Stop the apiserver and start it again with what it had; every connection to it breaks.

        It would wait for its clients' watches to end; they are cut.
        """
        self._stop_apiserver(1.0)
        self._run_apiserver().wait_until(self._ready, "ready again", 120.0)

    def audit_events(self) -> list[dict[str, Any]]:
        """The apiserver's audit log so far, oldest first."""
        log = self.folder / "audit.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def audit_event(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The newest audit event that `wanted` accepts; waits for it a while.

        Raises:
            NotReadyError: it did not come.

        """
        return wait_for(
            lambda: next((event for event in reversed(self.audit_events()) if wanted(event)), None) or {},
            "an audit event",
            15.0,
        )


def _status(url: str) -> int:
    try:
        return urllib3.request("GET", url, timeout=2.0, retries=False).status
    except urllib3.exceptions.HTTPError:
        return 0

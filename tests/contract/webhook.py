"""The webhook as a real process over TLS, and the clients that talk to it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import sys
from pathlib import Path
from typing import Any, Self

from tests.kube.certs import Authority
from tests.kube.process import Process

ROOT = Path(__file__).resolve().parents[2]
_READY = r"listens on https://\S+:(\d+)"

RESTRICTED = """
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: {enforce: restricted, audit: restricted, warn: restricted}
"""


def review(uid: str = "uid-1", *, privileged: bool = False, **request: Any) -> bytes:
    """An AdmissionReview of a pod's creation; the pod keeps the restricted profile unless privileged."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "privileged": privileged}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "web", "image": "registry.example/web:1", "securityContext": secure}],
        },
    }
    fields = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice"},
        "object": pod,
        **request,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": fields}).encode()


class Webhook(Process):
    """`pratique serve` on a free port, enforcing restricted; `limits` sets bounds that it has no flags for."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *arguments: str,
        limits: dict[str, float] | None = None,
        name: str = "tls",
    ) -> None:
        self.authority = authority
        self.folder = folder
        self.certificate, self.key = authority.issue("127.0.0.1", "localhost").write(folder, name)
        self.configuration = folder / "psa.yaml"
        self.configuration.write_text(RESTRICTED)
        if limits is None:
            command = [
                *("-m", "app", "serve", "--bind-address=127.0.0.1", "--port=0", f"--config={self.configuration}"),
                *(f"--tls-cert-file={self.certificate}", f"--tls-private-key-file={self.key}", *arguments),
            ]
        else:
            settings = [json.dumps(limits), str(self.certificate), str(self.key), str(self.configuration)]
            command = ["-m", "tests.contract.with_limits", *settings]
        super().__init__([sys.executable, *command], folder / f"{name}.log", cwd=ROOT)
        self.port = 0
        self._clients: list[http.client.HTTPSConnection] = []

    def __enter__(self) -> Self:
        found = self.wait_until(lambda: re.search(_READY, self.text()), "ready", 30.0)
        self.port = int(found[1])
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036 - passed on
        for client in self._clients:
            client.close()
        super().__exit__(*error)

    def context(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client of this server needs; with `client`, its own certificate and key."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        if client:
            context.load_cert_chain(*client)
        return context

    def connect(self, context: ssl.SSLContext | None = None, seconds: float = 10.0) -> ssl.SSLSocket:
        """A raw TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=seconds)
        return (context or self.context()).wrap_socket(plain, server_hostname="localhost")

    def client(self, context: ssl.SSLContext | None = None, seconds: float = 10.0) -> http.client.HTTPSConnection:
        """An HTTP client that keeps its connection; closed with the server at the latest."""
        client = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=seconds, context=context or self.context())
        self._clients.append(client)
        return client

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request on a connection of its own."""
        client = self.client()
        try:
            client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = client.getresponse()
            return answer, answer.read()
        finally:
            client.close()

    def judge(self, client: http.client.HTTPSConnection, body: bytes) -> dict[str, Any]:
        """The response of one review."""
        client.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        response: dict[str, Any] = json.loads(text)["response"]
        return response

    def still_serves(self) -> None:
        """Assert that a good pod is allowed and a bad one denied, now."""
        client = self.client()
        try:
            assert self.judge(client, review())["allowed"] is True
            assert self.judge(client, review(privileged=True))["allowed"] is False
        finally:
            client.close()

    def status(self, field: str) -> int:
        """A field of /proc/<pid>/status: memory in KiB, or a number."""
        text = Path(f"/proc/{self.server_pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{field}:")))

    @property
    def server_pid(self) -> int:
        """The server's process: setpriv, where used, becomes it."""
        return self.pid

    def end(self, seconds: float = 20.0) -> int:
        """Wait for its end, to which it was told before; returns the exit code."""
        return self._popen.wait(seconds)

    def logged(self) -> list[dict[str, Any]]:
        """The JSON lines that it logged so far."""
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]


def answer_of(connection: ssl.SSLSocket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)

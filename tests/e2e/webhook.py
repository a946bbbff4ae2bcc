"""The webhook under test as a process, and its registration with the apiserver."""

from __future__ import annotations

import base64
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tests.e2e import objects
from tests.kube.certs import Authority
from tests.kube.cluster import Cluster
from tests.kube.existing import ExistingCluster
from tests.kube.go import ROOT
from tests.kube.process import Process, free_ports, wait_for

AnyCluster = Cluster | ExistingCluster
NAME = "validate.pratique.dev"
#: Namespaces with this label are not sent to the suite's webhook; tests with a webhook of their own use it.
OTHER_WEBHOOK = "e2e.pratique.dev/webhook"
CONTROLLERS = [
    {"apiGroups": [""], "resources": ["replicationcontrollers", "podtemplates"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"]},
]
RULES = [
    {"apiGroups": [""], "resources": ["namespaces", "pods", "pods/ephemeralcontainers", "pods/resize"]},
    *CONTROLLERS,
]


class Webhook(Process):
    """`python -m app serve` on a port of its own, with a certificate of the given authority."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *arguments: str,
        address: str = "127.0.0.1",
        port: int = 0,
        kubeconfig: Path | None = None,
    ) -> None:
        self.authority = authority
        self.port = port or free_ports(1)[0]
        self.host = address
        self.folder = folder
        certificate, key = authority.issue(*self.names).write(folder)
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "app",
            "serve",
            f"--bind-address={'127.0.0.1' if address == '127.0.0.1' else '0.0.0.0'}",
            f"--port={self.port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []),
            *arguments,
        ]
        super().__init__(command, folder / "webhook.log", cwd=ROOT)

    @property
    def names(self) -> list[str]:
        """What its certificate is for: the apiserver's way to it, and the tests'."""
        return list(dict.fromkeys((self.host, "127.0.0.1", "localhost")))

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        """GET one of the operators' pages; (0, reason) when nothing answers."""
        pool = urllib3.PoolManager(ca_cert_data=self.authority.pem.decode(), retries=False, timeout=5.0)
        try:
            answer = pool.request("GET", f"https://127.0.0.1:{port or self.port}{path}")
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)
        finally:
            pool.clear()
        return answer.status, answer.data.decode()

    def ready(self) -> bool:
        """Whether the server calls itself ready now."""
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> None:
        """Wait until the server calls itself ready."""
        self.wait_until(self.ready, "ready", 30.0)

    def configuration(self, called: str, namespace: str, **overrides: Any) -> dict[str, Any]:
        """A registration of this server for one namespace."""
        trusted = overrides.pop("trusted", self.authority.pem)
        return configuration(called, overrides.pop("url", self.url), trusted, selector=only(namespace), **overrides)

    def served_certificate(self) -> bytes:
        """The certificate that a new connection gets, as DER."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""


def configuration(
    called: str, url: str, authority: bytes, *, selector: dict[str, Any], **overrides: Any
) -> dict[str, Any]:
    """A ValidatingWebhookConfiguration with one webhook; `overrides` replace fields of the webhook."""
    rules = overrides.pop("rules", RULES)
    webhook = {
        "name": NAME,
        "clientConfig": {"url": f"{url}/validate", "caBundle": base64.b64encode(authority).decode()},
        "rules": [{"apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], **rule} for rule in rules],
        "namespaceSelector": selector,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 10,
        "failurePolicy": "Fail",
        **overrides,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": called},
        "webhooks": [webhook],
    }


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def only(namespace: str) -> dict[str, Any]:
    """A namespaceSelector for one namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def everywhere() -> dict[str, Any]:
    """The suite's own namespaceSelector: all but the system's namespaces and those of other tests' webhooks."""
    return {
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "kube-node-lease"]},
            {"key": OTHER_WEBHOOK, "operator": "DoesNotExist"},
        ]
    }


@contextmanager
def registered(cluster: AnyCluster, configured: dict[str, Any]) -> Iterator[None]:
    """The configuration exists in the cluster for as long as the block runs."""
    answer = cluster.request("POST", WEBHOOKS, configured)
    assert answer.status == 201, answer.body
    try:
        yield
    finally:
        cluster.request("DELETE", f"{WEBHOOKS}/{configured['metadata']['name']}")


def wait_denying(cluster: AnyCluster, namespace: str, *, name: str = NAME) -> None:
    """Wait until the apiserver has learnt of a registration: a bad pod is refused through it."""

    def refused() -> bool:
        answer = create_pod(cluster, namespace, objects.privileged_pod("canary"), dry_run=True)
        return answer.status >= 400 and name in answer.json["message"]

    wait_for(refused, f"a pod in {namespace} refused through {name}", 30.0)


def create_pod(
    cluster: AnyCluster,
    namespace: str,
    pod: dict[str, Any],
    *,
    dry_run: bool = False,
    timeout: str = "",
    **options: Any,
) -> Any:
    """POST a pod to the REST API."""
    query: Sequence[str] = [*(["dryRun=All"] if dry_run else []), *([f"timeout={timeout}"] if timeout else [])]
    path = f"/api/v1/namespaces/{namespace}/pods" + (f"?{'&'.join(query)}" if query else "")
    return cluster.request("POST", path, pod, **options)

"""Fixtures: a cluster with the webhook registered, and namespaces with Pod Security labels."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import objects
from tests.e2e import webhook as hook
from tests.e2e.stub import StubWebhook
from tests.e2e.webhook import AnyCluster, Webhook
from tests.kube.access import UnusableError
from tests.kube.build import binary
from tests.kube.certs import Authority
from tests.kube.cluster import DEVELOPER, ROBOT, WEBHOOK, Cluster
from tests.kube.existing import ExistingCluster
from tests.kube.process import wait_for

LABEL = "pod-security.kubernetes.io/"
EXEMPT_NAMESPACE = "e2e-exempt"
EXEMPT_RUNTIME_CLASS = "e2e-sandboxed"
CONFIG = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1",
    "kind": "PodSecurityConfiguration",
    "defaults": {"enforce": "privileged", "audit": "privileged", "warn": "privileged"},
    "exemptions": {
        "usernames": [ROBOT],
        "namespaces": [EXEMPT_NAMESPACE],
        "runtimeClasses": [EXEMPT_RUNTIME_CLASS],
    },
}
_WORKLOADS = [
    {"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["*"]},
]
_WEBHOOK_NEEDS = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]
NamespaceFactory = Callable[..., str]


def pytest_runtestloop(session: pytest.Session) -> None:
    """Build before the first test, whose time limit does not allow for a compiler's minutes."""
    wanted = any(item.get_closest_marker("e2e") for item in session.items)
    if wanted and not session.config.option.collectonly:
        names = ("kubectl",) if os.environ.get("KUBECONFIG") else ("etcd", "kube-apiserver", "kubectl")
        for name in names:
            binary(name)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def apiserver_identity() -> Authority:
    """Who vouches for the certificate that our own apiserver shows to webhooks."""
    return Authority("Pratique test client CA")


@pytest.fixture(scope="session")
def apiserver_flags(apiserver_identity: Authority, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags that make the apiserver show a client certificate to every webhook."""
    folder = tmp_path_factory.mktemp("apiserver")
    certificate, key = apiserver_identity.issue(common_name="kube-apiserver", client=True).write(folder, "client")
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    kubeconfig = folder / "webhooks.kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]})
    )
    group = "apiserver.config.k8s.io/v1"
    plugin = {"apiVersion": group, "kind": "WebhookAdmissionConfiguration", "kubeConfigFile": str(kubeconfig)}
    admission = {
        "apiVersion": group,
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "ValidatingAdmissionWebhook", "configuration": plugin}],
    }
    file = folder / "admission.yaml"
    file.write_text(yaml.safe_dump(admission))
    return [f"--admission-control-config-file={file}"]


@pytest.fixture(scope="session")
def cluster(apiserver_flags: list[str]) -> Iterator[AnyCluster]:
    """A control plane of our own, or the one of $KUBECONFIG."""
    if given := os.environ.get("KUBECONFIG"):
        try:
            with ExistingCluster(Path(given)) as existing:
                _alone(existing)
                _prepare(existing)
                yield existing
        except UnusableError as error:
            pytest.skip(f"the cluster of {given} cannot be used: {error}")
    else:
        worker = os.environ.get("PYTEST_XDIST_WORKER")  # with `-n`, each worker has its own
        with Cluster(f"e2e-{worker}" if worker else "e2e", flags=apiserver_flags) as own:
            _prepare(own)
            yield own


@pytest.fixture
def own_cluster(cluster: AnyCluster) -> Cluster:
    """For tests that read or set what only the owner of an apiserver can."""
    if not isinstance(cluster, Cluster):
        pytest.skip("needs an apiserver of our own (its metrics, flags or processes): run without KUBECONFIG")
    return cluster


@pytest.fixture
def audited(cluster: AnyCluster) -> AnyCluster:
    """For tests that read the apiserver's audit log."""
    try:
        cluster.audit_events()
    except (UnusableError, OSError) as error:
        pytest.skip(f"needs the apiserver's audit log: {error}")
    return cluster


@pytest.fixture(scope="session")
def address(cluster: AnyCluster) -> str:
    """Where the apiserver finds the webhooks that the tests start."""
    if isinstance(cluster, Cluster):
        return "127.0.0.1"
    try:
        return cluster.host
    except UnusableError as error:
        pytest.skip(f"the cluster cannot call a webhook on this machine: {error}")


@pytest.fixture(scope="session")
def start_webhook(cluster: AnyCluster, authority: Authority, address: str) -> Callable[..., Webhook]:
    """Start a webhook of the test's own: `start_webhook("name", "--controllers=enforce")`; the test stops it."""

    def start(name: str, *arguments: str, **options: Any) -> Webhook:
        folder = cluster.folder / name
        folder.mkdir(exist_ok=True)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(CONFIG))
        options.setdefault("kubeconfig", _webhook_kubeconfig(cluster))
        # No draining unless a test is about it: a later option wins.
        return Webhook(
            folder, authority, f"--config={config}", "--drain-seconds=0", *arguments, address=address, **options
        )

    return start


@pytest.fixture(scope="session")
def webhook(
    cluster: AnyCluster, authority: Authority, start_webhook: Callable[..., Webhook], namespaces: NamespaceFactory
) -> Iterator[Webhook]:
    """The webhook that judges every namespace of the suite, registered."""
    canary = namespaces("canary", enforce="baseline")
    with start_webhook("webhook") as server:
        server.wait_ready()
        configured = hook.configuration("pratique-e2e", server.url, authority.pem, selector=hook.everywhere())
        with hook.registered(cluster, configured):
            hook.wait_denying(cluster, canary)
            yield server


@pytest.fixture
def stub(cluster: AnyCluster, authority: Authority, address: str, tmp_path: Path) -> Iterator[StubWebhook]:
    """A server that answers as the test says, not registered yet."""
    with StubWebhook(authority, tmp_path, address) as server:
        yield server


@pytest.fixture(scope="session")
def namespaces(cluster: AnyCluster) -> Iterator[NamespaceFactory]:
    """Make a namespace: `namespaces("shop", enforce="baseline:v1.24", warn="restricted")` -> its name.

    The developer may do anything with workloads there. In a cluster that goes on living the namespaces are deleted.
    """
    made: list[str] = []
    numbers = itertools.count(1)

    def make(hint: str, *, name: str = "", labels: dict[str, str] | None = None, **modes: str) -> str:
        name = name or f"e2e-{next(numbers)}-{re.sub('[^a-z0-9]+', '-', hint.lower()).strip('-')[:40]}"
        content = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}
        content["metadata"] = {"name": name, "labels": {**mode_labels(**modes), **(labels or {})}}
        # One of an earlier run against the same cluster may still be on its way out.
        wait_for(lambda: _create(cluster, "/api/v1/namespaces", content) == 201, f"namespace {name} made", 120.0)
        made.append(name)
        _bind(cluster, name)
        if not cluster.own:
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            wait_for(lambda: cluster.request("GET", account).status == 200, f"service account of {name}", 60.0)
        return name

    yield make
    if not cluster.own:
        for name in made:
            cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def mode_labels(**modes: str) -> dict[str, str]:
    """`enforce="baseline:v1.24"` as the namespace labels that say so."""
    labels = {}
    for mode, value in modes.items():
        level, _, version = value.partition(":")
        labels[LABEL + mode] = level
        if version:
            labels[f"{LABEL}{mode}-version"] = version
    return labels


@pytest.fixture
def space(request: pytest.FixtureRequest, webhook: Webhook, namespaces: NamespaceFactory) -> str:
    """A namespace that enforces restricted, judged by the suite's webhook."""
    return namespaces(request.node.name.removeprefix("test_"), enforce="restricted")


def _prepare(cluster: AnyCluster) -> None:
    """Roles for the users, and what the exemptions name."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for name, rules in (("e2e-workloads", _WORKLOADS), ("e2e-webhook", _WEBHOOK_NEEDS)):
        _create(cluster, f"{rbac}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": "e2e-webhook"},
        "subjects": [{"kind": "User", "name": WEBHOOK, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e-webhook"},
    }
    _create(cluster, f"{rbac}/clusterrolebindings", binding)
    runtime_class = {"metadata": {"name": EXEMPT_RUNTIME_CLASS}, "handler": "sandboxed"}
    _create(cluster, "/apis/node.k8s.io/v1/runtimeclasses", runtime_class)


def _alone(cluster: AnyCluster) -> None:
    """Make sure that nobody else judges pods by the same labels.

    Raises:
        UnusableError: the cluster's own Pod Security Admission is on, or another webhook acts.

    """
    name = "e2e-alone"
    _create(cluster, "/api/v1/namespaces", {"metadata": {"name": name, "labels": mode_labels(enforce="restricted")}})
    pod = objects.privileged_pod("probe")
    pod["spec"]["automountServiceAccountToken"] = False

    def judged() -> str:
        answer = hook.create_pod(cluster, name, pod, dry_run=True)
        told = "" if answer.status == 201 else str(answer.json["message"])
        return "" if "serviceaccount" in told else told or "allowed"

    told = wait_for(judged, "a pod judged by the cluster as it is", 60.0)
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")
    if told != "allowed":
        raise UnusableError(
            f"it refuses a privileged pod without Pratique (kind-config.yaml makes one that does not): {told}"
        )


def _webhook_kubeconfig(cluster: AnyCluster) -> Path:
    """What the webhook logs in with: in our own cluster a user that may do only what the webhook needs."""
    return cluster.access(WEBHOOK).kubeconfig if cluster.own else cluster.kubeconfig


def _bind(cluster: AnyCluster, namespace: str) -> None:
    """Let the developer and the robot work in the namespace; wait until the apiserver knows."""
    binding = {
        "metadata": {"name": "e2e-workloads"},
        "subjects": [
            {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"} for user in (DEVELOPER, ROBOT)
        ],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e-workloads"},
    }
    _create(cluster, f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
    path = f"/api/v1/namespaces/{namespace}/pods"
    for user in (DEVELOPER, ROBOT):
        wait_for(partial(_let_in, cluster, path, user), f"{user} let into {namespace}")


def _let_in(cluster: AnyCluster, path: str, user: str) -> bool:
    return cluster.request("GET", path, user=user).status == 200


def _create(cluster: AnyCluster, path: str, content: dict[str, Any]) -> int:
    """POST an object that may be there already; returns the status, 201 or 409."""
    answer = cluster.request("POST", path, content)
    assert answer.status in {201, 409}, answer.body
    return answer.status

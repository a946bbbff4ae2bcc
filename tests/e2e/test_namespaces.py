"""Namespaces: labels that mean nothing are refused, and a stricter level tells which existing pods would break it."""

from __future__ import annotations

import pytest

from tests.e2e import objects, webhook
from tests.e2e.conftest import EXEMPT_NAMESPACE, LABEL, NamespaceFactory
from tests.e2e.webhook import NAME, OTHER_WEBHOOK, AnyCluster
from tests.kube.cluster import Cluster
from tests.kube.process import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("webhook")]

INVALID = {
    "level": (f"{LABEL}enforce", "strict"),
    "version": (f"{LABEL}enforce-version", "1.25"),
    "warn level": (f"{LABEL}warn", "Baseline"),
    "audit version": (f"{LABEL}audit-version", "newest"),
}


@pytest.mark.parametrize("label, value", INVALID.values(), ids=INVALID)
def test_invalid_labels_refuse_a_new_namespace(cluster: AnyCluster, label: str, value: str) -> None:
    content = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "e2e-invalid", "labels": {label: value}}}
    code, stdout, stderr = cluster.kubectl("create", "-f", "-", stdin=objects.text(content))
    assert (code, stdout) == (1, "")
    assert 'The Namespace "e2e-invalid" is invalid' in stderr
    assert label in stderr
    assert f'"{value}"' in stderr
    assert cluster.request("GET", "/api/v1/namespaces/e2e-invalid").status == 404


@pytest.mark.parametrize("label, value", INVALID.values(), ids=INVALID)
def test_invalid_labels_refuse_an_update(
    cluster: AnyCluster, namespaces: NamespaceFactory, label: str, value: str
) -> None:
    space = namespaces("valid", enforce="baseline")
    refused = cluster.kubectl("label", "--overwrite", "namespace", space, f"{label}={value}")
    assert refused.code == 1
    assert label in refused.stderr
    assert cluster.request("GET", f"/api/v1/namespaces/{space}").json["metadata"]["labels"].get(label) != value


def test_invalid_label_causes_are_for_programs(cluster: AnyCluster) -> None:
    content = {"metadata": {"name": "e2e-invalid", "labels": {f"{LABEL}enforce": "strict"}}}
    status = cluster.request("POST", "/api/v1/namespaces", content).json
    assert (status["code"], status["reason"]) == (422, "Invalid")
    (cause,) = status["details"]["causes"]
    assert cause["field"] == f"metadata.labels[{LABEL}enforce]"
    assert '"strict"' in cause["message"]


def test_relabel_warns_about_existing_pods(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    space = namespaces("relabel")
    for pod in (objects.pod("good"), objects.root_pod("root"), *(objects.privileged_pod(f"bad-{n}") for n in range(3))):
        assert webhook.create_pod(cluster, space, pod).status == 201
    baseline = cluster.kubectl("label", "namespace", space, f"{LABEL}enforce=baseline")
    assert baseline.code == 0
    warnings = [line for line in baseline.stderr.splitlines() if line.startswith("Warning: ")]
    assert f'existing pods in namespace "{space}" violate the new enforce level baseline:latest' in warnings[0]
    assert len(warnings) == 2, "equal violations are told once"
    assert "bad-0" in warnings[1]
    assert "2 other pods" in warnings[1]
    assert "privileged" in warnings[1]
    restricted = cluster.kubectl("label", "--overwrite", "namespace", space, f"{LABEL}enforce=restricted")
    assert "root" in restricted.stderr
    assert "good" not in restricted.stderr
    laxer = cluster.kubectl("label", "--overwrite", "namespace", space, f"{LABEL}enforce=baseline")
    assert laxer.stderr == "", "a laxer level needs no look"


def test_relabel_by_dry_run_warns_too(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    """How the documentation of Pod Security finds out what a level would break."""
    space = namespaces("relabel-dry-run")
    assert webhook.create_pod(cluster, space, objects.privileged_pod("bad")).status == 201
    command = ("label", "--dry-run=server", "--overwrite", "namespace", space, f"{LABEL}enforce=baseline")
    printed = cluster.kubectl(*command)
    assert printed.code == 0
    assert "bad: " in printed.stderr
    assert LABEL not in str(cluster.request("GET", f"/api/v1/namespaces/{space}").json["metadata"]["labels"])


def test_relabel_of_an_empty_namespace_is_silent(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    space = namespaces("relabel-empty")
    assert cluster.kubectl("label", "namespace", space, f"{LABEL}enforce=restricted").stderr == ""


def test_labels_older_than_the_webhook(audited: AnyCluster, namespaces: NamespaceFactory) -> None:
    """A level that means nothing and that nobody refused counts as restricted, and the audit log says why."""
    space = namespaces("old-labels", labels={OTHER_WEBHOOK: "none", f"{LABEL}enforce": "strict"})
    assert audited.kubectl("label", "namespace", space, f"{OTHER_WEBHOOK}-").code == 0, "an old error is no new one"

    def refused() -> bool:
        return bool(webhook.create_pod(audited, space, objects.root_pod("any"), dry_run=True).status == 403)

    wait_for(refused, "restricted enforced")
    assert webhook.create_pod(audited, space, objects.pod("good")).status == 201
    key = f"{NAME}/error"
    event = audited.audit_event(
        lambda event: event["objectRef"].get("namespace") == space and key in event.get("annotations", {})
    )
    assert '"strict"' in event["annotations"][key]
    other = audited.kubectl("label", "namespace", space, f"{LABEL}warn=stern")
    assert other.code == 1, "a new error is refused"


def test_namespace_made_anew(own_cluster: Cluster, namespaces: NamespaceFactory) -> None:
    """Labels of a deleted namespace are forgotten: its successor by the same name has its own."""
    space = namespaces("made-anew", enforce="restricted")
    assert webhook.create_pod(own_cluster, space, objects.privileged_pod("any"), dry_run=True).status == 403
    path = f"/api/v1/namespaces/{space}"
    own_cluster.request("DELETE", path)
    # What the namespace controller would do, which does not run here.
    gone = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}, "spec": {"finalizers": []}}
    assert own_cluster.request("PUT", f"{path}/finalize", gone).status == 200
    wait_for(lambda: own_cluster.request("GET", path).status == 404, "the namespace gone")
    assert namespaces("made-anew", name=space) == space

    def created() -> bool:
        return bool(webhook.create_pod(own_cluster, space, objects.privileged_pod("any"), dry_run=True).status == 201)

    wait_for(created, "the new labels known", 10.0)


def test_labels_of_an_exempt_namespace_are_ignored(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    space = namespaces("exempt", name=EXEMPT_NAMESPACE)
    printed = cluster.kubectl("label", "namespace", space, f"{LABEL}enforce=restricted")
    assert printed.code == 0
    assert "exempt" in printed.stderr
    created = webhook.create_pod(cluster, space, objects.privileged_pod("free"))
    assert created.status == 201
    assert created.warnings == []

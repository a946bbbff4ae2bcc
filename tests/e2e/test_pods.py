"""Pods through a real apiserver: create, update, dry run, ephemeral containers, resize, versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import objects, webhook
from tests.e2e.conftest import NamespaceFactory
from tests.e2e.objects import text
from tests.e2e.webhook import NAME, AnyCluster, Webhook
from tests.kube.cluster import DEVELOPER
from tests.kube.process import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("webhook")]
EPHEMERAL = "spec.ephemeralContainers[0]"


def created(cluster: AnyCluster, space: str, pod: dict[str, Any], *options: str, user: str = DEVELOPER) -> Any:
    return cluster.kubectl("create", "-n", space, "-f", "-", *options, stdin=text(pod), user=user)


def test_good_pod_is_created(cluster: AnyCluster, space: str) -> None:
    result = created(cluster, space, objects.pod("good"))
    assert result == (0, "pod/good created\n", "")


def test_bad_pod_is_refused_with_reasons(cluster: AnyCluster, space: str) -> None:
    code, stdout, stderr = created(cluster, space, objects.privileged_pod("bad"))
    assert (code, stdout) == (1, "")
    assert f'admission webhook "{NAME}" denied the request: Pod {space}/bad ' in stderr
    assert "restricted:latest" in stderr
    assert 'container "app"' in stderr
    assert "spec.containers[0].securityContext.privileged" in stderr
    assert "spec.containers[0].securityContext.allowPrivilegeEscalation" in stderr
    assert cluster.kubectl("get", "-n", space, "pod/bad").code == 1


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_server_dry_run_decides_and_stores_nothing(cluster: AnyCluster, space: str, bad: bool) -> None:
    pod = objects.privileged_pod("dry") if bad else objects.pod("dry")
    result = created(cluster, space, pod, "--dry-run=server")
    assert result.code == int(bad)
    assert ("denied the request" in result.stderr) is bad
    assert cluster.kubectl("get", "-n", space, "pod/dry").code == 1


def test_apply_and_generated_names(cluster: AnyCluster, space: str) -> None:
    assert cluster.kubectl("apply", "-n", space, "-f", "-", stdin=text(objects.pod("applied"))).code == 0
    pod = objects.privileged_pod("")
    pod["metadata"] = {"generateName": "web-"}
    refused = created(cluster, space, pod)
    assert refused.code == 1
    assert "web-" in refused.stderr.split("denied the request: ")[1].split("\n")[0]


def test_every_bad_object_of_a_list_is_told(cluster: AnyCluster, space: str) -> None:
    """kubectl sends one after the other: the good one is created, each bad one has its own denial."""
    listed = text(objects.pod("one"), objects.privileged_pod("two"), objects.root_pod("three"))
    code, stdout, stderr = cluster.kubectl("create", "-n", space, "-f", "-", stdin=listed)
    assert (code, stdout) == (1, "pod/one created\n")
    assert stderr.count("denied the request") == 2


# --- updates ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def bad_pod(cluster: AnyCluster, namespaces: NamespaceFactory, request: pytest.FixtureRequest) -> str:
    """A namespace that enforces restricted and where the pod `old` is older than the label and breaks it."""
    space = namespaces(request.node.name.removeprefix("test_"))
    pod = objects.privileged_pod("old")
    assert created(cluster, space, pod).code == 0
    relabel(cluster, space, "pod-security.kubernetes.io/enforce=restricted")
    webhook.wait_denying(cluster, space)
    return space


def relabel(cluster: AnyCluster, space: str, *labels: str) -> Any:
    result = cluster.kubectl("label", "--overwrite", "namespace", space, *labels)
    assert result.code == 0, result.stderr
    return result


def test_update_that_changes_nothing_judged_passes(cluster: AnyCluster, bad_pod: str) -> None:
    assert cluster.kubectl("label", "-n", bad_pod, "pod/old", "team=shop").code == 0
    assert cluster.kubectl("annotate", "-n", bad_pod, "pod/old", "note=kept").code == 0


def test_new_image_is_judged(cluster: AnyCluster, bad_pod: str, space: str) -> None:
    refused = cluster.kubectl("set", "image", "-n", bad_pod, "pod/old", "app=registry.example.com/team/app:2.0")
    assert refused.code == 1
    assert "spec.containers[0].securityContext.privileged" in refused.stderr
    assert created(cluster, space, objects.pod("fine")).code == 0
    assert cluster.kubectl("set", "image", "-n", space, "pod/fine", "app=registry.example.com/team/app:2.0").code == 0


def test_ephemeral_containers(cluster: AnyCluster, space: str) -> None:
    assert created(cluster, space, objects.pod("target")).code == 0
    path = f"/api/v1/namespaces/{space}/pods/target/ephemeralcontainers"
    bad = {
        "spec": {"ephemeralContainers": [objects.container("probe", privileged=True, allowPrivilegeEscalation=True)]}
    }
    del bad["spec"]["ephemeralContainers"][0]["resources"]  # ephemeral containers may not have any
    patch = "application/strategic-merge-patch+json"
    refused = cluster.request("PATCH", path, bad, content_type=patch, user=DEVELOPER)
    assert refused.status == 403
    assert f"{EPHEMERAL}.securityContext.privileged" in refused.json["message"]
    assert 'container "probe"' in refused.json["message"]
    good = json.loads(json.dumps(bad))
    good["spec"]["ephemeralContainers"][0]["securityContext"] = objects.container()["securityContext"]
    assert cluster.request("PATCH", path, good, content_type=patch, user=DEVELOPER).status == 200


def test_kubectl_debug(cluster: AnyCluster, space: str) -> None:
    assert created(cluster, space, objects.pod("target")).code == 0
    debug = ("debug", "-n", space, "pod/target", "--image=busybox", "--attach=false")
    refused = cluster.kubectl(*debug, "-c", "admin", "--profile=sysadmin")
    assert refused.code == 1
    assert f"{EPHEMERAL}.securityContext.privileged" in refused.stderr
    assert 'container "admin"' in refused.stderr
    allowed = cluster.kubectl(*debug, "-c", "guest", "--profile=restricted")
    assert allowed.code == 0, allowed.stderr


def test_resize(cluster: AnyCluster, bad_pod: str, space: str) -> None:
    """A resize changes no field that a check reads, so that it passes even in a pod that would be refused today."""
    assert created(cluster, space, objects.pod("fine")).code == 0
    patch = {"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "150m"}}}]}}
    for namespace, name in ((space, "fine"), (bad_pod, "old")):
        result = cluster.kubectl(
            "patch", "-n", namespace, f"pod/{name}", "--subresource=resize", "--patch", json.dumps(patch)
        )
        assert result.code == 0, result.stderr
        got = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}").json
        assert got["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "150m"


def test_delete_is_not_our_business(cluster: AnyCluster, bad_pod: str) -> None:
    assert cluster.kubectl("delete", "-n", bad_pod, "pod/old", "--wait=false").code == 0


# --- levels and versions ---------------------------------------------------------------------------------------------
POLICIES = {  # policy -> which of a good, a root, a privileged pod pass
    "privileged": (True, True, True),
    "baseline": (True, True, False),
    "baseline:v1.20": (True, True, False),
    "baseline:v1.37": (True, True, False),
    "restricted": (True, False, False),
    "restricted:v1.37": (True, False, False),
    "restricted:v1.99": (True, False, False),
}


@pytest.mark.parametrize("policy, passes", POLICIES.items(), ids=POLICIES)
def test_levels(cluster: AnyCluster, namespaces: NamespaceFactory, policy: str, passes: tuple[bool, ...]) -> None:
    space = namespaces(policy, enforce=policy)
    made = (objects.pod("good"), objects.root_pod("root"), objects.privileged_pod("privileged"))
    for pod, expected in zip(made, passes, strict=True):
        answer = webhook.create_pod(cluster, space, pod)
        assert (answer.status == 201) is expected, answer.body
        if not expected:
            assert policy.partition(":")[0] in answer.json["message"]


def test_rules_come_with_versions(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    """Restricted asks for a seccomp profile since v1.19 and to drop ALL capabilities since v1.22."""
    plain = objects.pod("plain")
    del plain["spec"]["containers"][0]["securityContext"]["seccompProfile"]
    kept = objects.pod("kept", objects.container(capabilities={}))
    for pod, since in ((plain, 19), (kept, 22)):
        for minor, status in ((since - 1, 201), (since, 403)):
            space = namespaces(f"v1.{minor}-{pod['metadata']['name']}", enforce=f"restricted:v1.{minor}")
            assert webhook.create_pod(cluster, space, pod, dry_run=True).status == status


def test_unlabelled_namespace_has_the_defaults(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    assert webhook.create_pod(cluster, namespaces("unlabelled"), objects.privileged_pod("any")).status == 201


def test_label_changes_take_effect(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    """The namespace watch brings a stricter and a laxer label to the webhook without a restart."""
    space = namespaces("relabelled", enforce="privileged")

    def status() -> int:
        answer: int = webhook.create_pod(cluster, space, objects.privileged_pod("any"), dry_run=True).status
        return answer

    assert status() == 201
    relabel(cluster, space, "pod-security.kubernetes.io/enforce=baseline")
    wait_for(lambda: status() == 403, "baseline enforced", 10.0)
    relabel(cluster, space, "pod-security.kubernetes.io/enforce-")
    wait_for(lambda: status() == 201, "nothing enforced", 10.0)


# --- what the server is like under the apiserver ---------------------------------------------------------------------
def test_objects_near_the_size_limit(cluster: AnyCluster, space: str) -> None:
    """An update near etcd's limit carries the object twice, and still passes."""
    big = objects.pod("big")
    big["spec"]["containers"][0]["env"] = [{"name": "PAYLOAD", "value": "x" * 1_400_000}]
    assert webhook.create_pod(cluster, space, big).status == 201
    for patch, status in (({"metadata": {"labels": {"touched": "yes"}}}, 200),):
        answer = cluster.request(
            "PATCH",
            f"/api/v1/namespaces/{space}/pods/big",
            patch,
            content_type="application/merge-patch+json",
        )
        assert answer.status == status, answer.body[:500]


def test_operators_pages(webhook: Webhook) -> None:
    for path in ("/livez", "/readyz", "/readyz?verbose", "/metrics", "/version"):
        status, body = webhook.get(path)
        assert status == 200, path
        assert body, path


def test_denials_are_counted(cluster: AnyCluster, space: str, webhook: Webhook, counted: Callable[[], float]) -> None:
    before = counted()
    assert created(cluster, space, objects.privileged_pod("bad")).code == 1
    wait_for(lambda: counted() == before + 1, "one more denial in /metrics", 5.0)


@pytest.fixture
def counted(webhook: Webhook) -> Callable[[], float]:
    """How many denials the webhook's metrics count."""

    def count() -> float:
        lines = [line for line in webhook.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("pratique_admission_requests_total") and 'decision="deny"' in line
        )

    return count

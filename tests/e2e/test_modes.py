"""Warn and audit beside enforce, exemptions, and what each leaves in the apiserver's audit log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import objects, webhook
from tests.e2e.conftest import EXEMPT_RUNTIME_CLASS, NamespaceFactory
from tests.e2e.webhook import NAME, AnyCluster
from tests.kube.cluster import DEVELOPER, ROBOT

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("webhook")]


@pytest.fixture(scope="module")
def modes(namespaces: NamespaceFactory) -> str:
    """Enforces baseline of an old version, warns and audits at restricted of two others."""
    return namespaces("modes", enforce="baseline:v1.24", warn="restricted:v1.25", audit="restricted")


def audited_as(cluster: AnyCluster, space: str, name: str) -> dict[str, str]:
    """Pratique's audit annotations for the creation of the pod, without their prefix."""

    def about(event: dict[str, Any]) -> bool:
        reference = event["objectRef"]
        named = reference.get("name") or event.get("responseObject", {}).get("metadata", {}).get("name")
        return (reference.get("namespace"), reference["resource"], named) == (space, "pods", name)

    event = cluster.audit_event(about)
    found: dict[str, str] = event.get("annotations", {})
    return {key.removeprefix(f"{NAME}/"): value for key, value in found.items() if key.startswith(f"{NAME}/")}


def test_warn_lets_pass_and_says_why(cluster: AnyCluster, modes: str) -> None:
    pod = objects.text(objects.root_pod("warned"))
    code, stdout, stderr = cluster.kubectl("create", "-n", modes, "-f", "-", stdin=pod, user=DEVELOPER)
    assert (code, stdout) == (0, "pod/warned created\n")
    (line,) = stderr.splitlines()
    assert line.startswith("Warning: ")
    assert "restricted:v1.25" in line
    assert "spec.containers[0].securityContext.runAsNonRoot" in line


def test_audit_annotations(audited: AnyCluster, modes: str) -> None:
    answer = webhook.create_pod(audited, modes, objects.root_pod("audited"))
    assert answer.status == 201
    found = audited_as(audited, modes, "audited")
    assert found["enforce-policy"] == "baseline:v1.24"
    assert "restricted:latest" in found["audit-violations"]
    assert "spec.containers[0].securityContext.runAsNonRoot" in found["audit-violations"]
    assert found["audit-checks"]
    assert "," not in found["audit-checks"], "one check is broken"


def test_allowed_pods_are_annotated_with_the_policy(audited: AnyCluster, modes: str) -> None:
    answer = webhook.create_pod(audited, modes, objects.pod("plain"))
    assert (answer.status, answer.warnings) == (201, [])
    assert audited_as(audited, modes, "plain") == {"enforce-policy": "baseline:v1.24"}


def test_denied_pods_are_audited_without_warnings(audited: AnyCluster, modes: str) -> None:
    answer = webhook.create_pod(audited, modes, objects.privileged_pod("denied"))
    assert answer.status == 403
    assert answer.warnings == []
    found = audited_as(audited, modes, "denied")
    assert found["enforce-policy"] == "baseline:v1.24"
    assert found["audit-checks"]


def test_warnings_survive_hostile_names(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    """The apiserver drops a warning with a control character in silence, and admits such names of capabilities."""
    space = namespaces("hostile", warn="restricted")
    hostile = objects.container(capabilities={"drop": ["ALL"], "add": ["A\nB\x1b[31m", 'quo"te\\', "caf\u00e9"]})
    answer = webhook.create_pod(cluster, space, objects.pod("hostile", hostile))
    assert answer.status == 201
    assert any("spec.containers[0].securityContext.capabilities.add" in text for text in answer.warnings)
    assert all(text.isascii() and text.isprintable() for text in answer.warnings)


def test_many_warnings_stay_within_the_limits(cluster: AnyCluster, namespaces: NamespaceFactory) -> None:
    """4,096 characters in all, else the apiserver cuts each at 256 and drops the rest."""
    space = namespaces("many", warn="restricted")
    containers = [
        objects.container(
            f"container-with-a-rather-long-name-{number:02}",
            capabilities={"drop": ["ALL"], "add": [f"SYS_ADMIN_{number}"]},
            seLinuxOptions={"type": f"type-{number}_t" + "y" * 200},
            runAsNonRoot=False,
            runAsUser=0,
        )
        for number in range(30)
    ]
    warnings = webhook.create_pod(cluster, space, objects.pod("many", *containers)).warnings
    assert 4 <= len(warnings) <= 15
    assert all(len(text) <= 256 for text in warnings)
    assert sum(map(len, warnings)) <= 4096
    assert all("spec.containers[0].securityContext." in text for text in warnings), "a cut never takes the place away"


# --- exemptions ------------------------------------------------------------------------------------------------------
def test_exempt_user(audited: AnyCluster, space: str) -> None:
    assert webhook.create_pod(audited, space, objects.privileged_pod("theirs"), user=DEVELOPER).status == 403
    assert webhook.create_pod(audited, space, objects.privileged_pod("exempt"), user=ROBOT).status == 201
    assert audited_as(audited, space, "exempt") == {"exempt": "user"}


def test_exempt_runtime_class(audited: AnyCluster, space: str) -> None:
    sandboxed = objects.privileged_pod("sandboxed")
    sandboxed["spec"]["runtimeClassName"] = EXEMPT_RUNTIME_CLASS
    assert webhook.create_pod(audited, space, sandboxed).status == 201
    assert audited_as(audited, space, "sandboxed") == {"exempt": "runtimeClass"}


def test_exempt_user_and_controllers(cluster: AnyCluster, space: str) -> None:
    deployment = objects.text(objects.controller("deployments", "exempt", objects.privileged_pod("unused")))
    created = cluster.kubectl("create", "-n", space, "-f", "-", stdin=deployment, user=ROBOT)
    assert (created.code, created.stderr) == (0, "")

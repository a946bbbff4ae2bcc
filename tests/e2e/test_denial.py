"""The denial as people and programs read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import objects, webhook
from tests.e2e.conftest import NamespaceFactory
from tests.e2e.webhook import NAME, AnyCluster
from tests.kube.cluster import DEVELOPER

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("webhook")]
GOLDEN = Path(__file__).with_name("denial.txt")
SECRET_NAME, SECRET_VALUE = "vault-credentials", "hunter2-hunter2"


@pytest.fixture
def shop() -> dict[str, Any]:
    """A pod that breaks a dozen rules, with a secret nobody may read in a message."""
    environment = [
        {"name": "PASSWORD", "value": SECRET_VALUE},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": SECRET_NAME, "key": "token"}}},
    ]
    app = objects.container(privileged=True, allowPrivilegeEscalation=True)
    app |= {"env": environment, "ports": [{"containerPort": 8080, "hostPort": 8080}]}
    sidecar = objects.container("sidecar", capabilities={"add": ["SYS_ADMIN"]}, runAsNonRoot=False, runAsUser=0)
    sidecar["envFrom"] = [{"secretRef": {"name": SECRET_NAME}}]
    setup = objects.container("setup", privileged=True, allowPrivilegeEscalation=True)
    volumes = [
        {"name": "root", "hostPath": {"path": "/"}},
        {"name": "vault", "secret": {"secretName": SECRET_NAME}},
    ]
    return objects.pod("shop", app, sidecar, initContainers=[setup], volumes=volumes, hostNetwork=True, hostPID=True)


PATHS = [
    "spec.hostNetwork",
    "spec.hostPID",
    "spec.volumes[0].hostPath",
    "spec.containers[0].ports[0].hostPort",
    "spec.containers[0].securityContext.privileged",
    "spec.containers[0].securityContext.allowPrivilegeEscalation",
    "spec.initContainers[0].securityContext.privileged",
    "spec.initContainers[0].securityContext.allowPrivilegeEscalation",
    "spec.containers[1].securityContext.capabilities.add",
    "spec.containers[1].securityContext.capabilities.drop",
    "spec.containers[1].securityContext.runAsNonRoot",
    "spec.containers[1].securityContext.runAsUser",
]


@pytest.fixture
def denial(cluster: AnyCluster, space: str, shop: dict[str, Any]) -> str:
    """What kubectl prints, from the first line of the webhook's message on."""
    code, stdout, stderr = cluster.kubectl("apply", "-n", space, "-f", "-", stdin=objects.text(shop), user=DEVELOPER)
    assert (code, stdout) == (1, "")
    front, _, message = stderr.partition(" denied the request: ")
    assert front == f'Error from server (Forbidden): error when creating "STDIN": admission webhook "{NAME}"'
    return message


def test_every_violation_at_its_path(denial: str) -> None:
    missing = [path for path in PATHS if path not in denial]
    assert missing == []
    for name in ("app", "sidecar", "setup"):
        assert f'"{name}"' in denial


def test_first_line_stands_alone(denial: str, space: str) -> None:
    first, second = denial.splitlines()[:2]
    assert first.startswith(f"Pod {space}/shop ")
    assert "restricted:latest" in first
    assert len(first) <= 256
    assert second == ""


def test_fits_a_terminal(denial: str) -> None:
    wide = [line for line in denial.splitlines()[1:] if len(line) > 80]
    assert wide == []
    assert all(line.isascii() and line.isprintable() and line == line.rstrip() for line in denial.splitlines())
    assert len(denial) <= 4096


def test_equal_violations_are_grouped(denial: str) -> None:
    blocks = [block for block in denial.split("\n\n") if block.startswith("privileged:")]
    assert len(blocks) == 1
    assert '"app"' in blocks[0]
    assert '"setup"' in blocks[0]


def test_nothing_secret_is_told(cluster: AnyCluster, space: str, shop: dict[str, Any], denial: str) -> None:
    answer = webhook.create_pod(cluster, space, shop | {"metadata": {"name": "other"}}).body.decode()
    for text in (denial, answer):
        assert SECRET_NAME not in text
        assert SECRET_VALUE not in text


def test_causes_are_for_programs(cluster: AnyCluster, space: str, shop: dict[str, Any]) -> None:
    answer = webhook.create_pod(cluster, space, shop)
    status = answer.json
    assert (answer.status, status["code"], status["reason"]) == (403, 403, "Forbidden")
    causes = status["details"]["causes"]
    assert all(set(cause) == {"reason", "message", "field"} and all(cause.values()) for cause in causes)
    fields = {cause["field"] for cause in causes}
    assert [path for path in PATHS if not any(field.startswith(path) for field in fields)] == []
    checks = {cause["reason"] for cause in causes}
    assert "privileged" in checks
    assert all(check in status["message"] for check in checks)


def test_same_object_same_bytes(cluster: AnyCluster, space: str, shop: dict[str, Any]) -> None:
    first, second = (webhook.create_pod(cluster, space, shop).json["message"] for _ in range(2))
    assert first == second


def test_golden(cluster: AnyCluster, namespaces: NamespaceFactory, shop: dict[str, Any]) -> None:
    """The whole output of kubectl, so that a change of wording is seen by a reviewer as users will see it."""
    space = namespaces("golden", name="e2e-golden", enforce="restricted")
    printed = cluster.kubectl("apply", "-n", space, "-f", "-", stdin=objects.text(shop), user=DEVELOPER)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(printed.stderr)
    assert printed.stderr == GOLDEN.read_text()

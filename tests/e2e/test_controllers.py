"""Every controller of pods: warned about by default, refused by setting, with paths of the object that was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e import objects, webhook
from tests.e2e.conftest import NamespaceFactory
from tests.e2e.objects import CONTROLLERS, text
from tests.e2e.webhook import NAME, AnyCluster, Webhook
from tests.kube.cluster import DEVELOPER

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("webhook")]


@pytest.fixture(scope="module")
def warned(namespaces: NamespaceFactory) -> str:
    """A namespace that enforces baseline, and therefore warns at baseline too."""
    return namespaces("controllers", enforce="baseline", audit="restricted")


@pytest.fixture(scope="module")
def refused(
    cluster: AnyCluster,
    namespaces: NamespaceFactory,
    start_webhook: Callable[..., Webhook],
) -> Iterator[str]:
    """A namespace judged by a webhook that refuses controllers as it refuses pods."""
    space = namespaces("controllers-enforced", enforce="baseline", labels={webhook.OTHER_WEBHOOK: "enforce"})
    with start_webhook("webhook-enforce", "--controllers=enforce") as server:
        server.wait_ready()
        configured = server.configuration("pratique-enforce", space)
        with webhook.registered(cluster, configured):
            webhook.wait_denying(cluster, space)
            yield space


@pytest.mark.parametrize("plural", CONTROLLERS)
def test_bad_template_is_warned_about(cluster: AnyCluster, warned: str, plural: str) -> None:
    _, _, path = CONTROLLERS[plural]
    manifest = text(objects.controller(plural, "bad", objects.privileged_pod("unused")))
    code, stdout, stderr = cluster.kubectl("create", "-n", warned, "-f", "-", stdin=manifest, user=DEVELOPER)
    assert code == 0, stderr
    assert stdout.endswith("/bad created\n")
    (warning,) = [line for line in stderr.splitlines() if line.startswith("Warning: ")]
    assert "privileged" in warning
    assert "baseline:latest" in warning
    assert 'container "app"' in warning
    assert f"{path}.spec.containers[0].securityContext.privileged" in warning


@pytest.mark.parametrize("plural", CONTROLLERS)
def test_bad_template_is_refused_by_setting(cluster: AnyCluster, refused: str, plural: str) -> None:
    _, kind, path = CONTROLLERS[plural]
    manifest = text(objects.controller(plural, "bad", objects.privileged_pod("unused")))
    code, stdout, stderr = cluster.kubectl("create", "-n", refused, "-f", "-", stdin=manifest, user=DEVELOPER)
    assert (code, stdout) == (1, "")
    assert f'admission webhook "{NAME}" denied the request: {kind} {refused}/bad ' in stderr
    assert f"{path}.spec.containers[0].securityContext.privileged" in stderr
    assert "Warning" not in stderr, "a denial carries no warnings"


@pytest.mark.parametrize("plural", CONTROLLERS)
def test_good_template_passes_in_silence(cluster: AnyCluster, refused: str, warned: str, plural: str) -> None:
    manifest = text(objects.controller(plural, "good", objects.pod("unused")))
    for space in (warned, refused):
        result = cluster.kubectl("create", "-n", space, "-f", "-", stdin=manifest, user=DEVELOPER)
        assert (result.code, result.stderr) == (0, "")


def test_update_of_a_template_is_judged(cluster: AnyCluster, refused: str) -> None:
    good = objects.controller("deployments", "updated", objects.pod("unused"))
    assert cluster.kubectl("apply", "-n", refused, "-f", "-", stdin=text(good)).code == 0
    bad = objects.controller("deployments", "updated", objects.privileged_pod("unused"))
    result = cluster.kubectl("apply", "-n", refused, "-f", "-", stdin=text(bad))
    assert result.code == 1
    assert "spec.template.spec.containers[0].securityContext.privileged" in result.stderr


def test_scaling_passes(cluster: AnyCluster, warned: str) -> None:
    """The scale subresource carries no template; a good deployment also scales by update."""
    deployment = objects.controller("deployments", "scaled", objects.privileged_pod("unused"))
    assert cluster.kubectl("create", "-n", warned, "-f", "-", stdin=text(deployment)).code == 0
    assert cluster.kubectl("scale", "-n", warned, "deployment/scaled", "--replicas=3").code == 0


def test_audit_of_a_controller(audited: AnyCluster, warned: str) -> None:
    manifest = text(objects.controller("deployments", "audited", objects.root_pod("unused")))
    created = audited.kubectl("create", "-n", warned, "-f", "-", stdin=manifest)
    assert (created.code, created.stderr) == (0, ""), "baseline has nothing to warn about"
    event = audited.audit_event(
        lambda event: event["objectRef"].get("name") == "audited" and event["objectRef"].get("namespace") == warned
    )
    found = event["annotations"][f"{NAME}/audit-violations"]
    assert "restricted:latest" in found
    assert "spec.template.spec.containers[0].securityContext.runAsNonRoot" in found

"""The checks' view of a pod: every kind of container, every security context, and paths in the object as sent."""

from __future__ import annotations

import pytest

from app.core.pod import Pod, name_of
from app.core.wire import Container
from tests.unit.core.reviews import pod

SPEC = {
    "securityContext": {"runAsUser": 1},
    "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always", "securityContext": {}}],
    "containers": [{"name": "app", "securityContext": {"privileged": True}}],
    "ephemeralContainers": [{"name": "debug", "securityContext": {"runAsUser": 0}}],
    "volumes": [{"name": "data", "emptyDir": {}}],
}


def test_containers_of_all_kinds_in_their_order() -> None:
    assert [container.name for container in pod(SPEC).containers] == ["setup", "proxy", "app", "debug"]


def test_contexts_are_those_that_are_set_with_the_pod_first() -> None:
    assert [name_of(container) for container, _ in pod(SPEC).contexts] == ["", "proxy", "app", "debug"]
    assert [context.run_as_user for _, context in pod(SPEC).contexts] == [1, None, None, 0]


def test_paths_of_containers() -> None:
    viewed = pod(SPEC)
    assert [viewed.at(container, "image") for container in viewed.containers] == [
        "spec.initContainers[0].image",
        "spec.initContainers[1].image",
        "spec.containers[0].image",
        "spec.ephemeralContainers[0].image",
    ]


def test_equal_containers_have_their_own_paths() -> None:
    viewed = pod({"containers": [{"name": "a"}, {"name": "a"}], "initContainers": [{"name": "a"}]})
    assert [viewed.at(container, "x") for container in viewed.containers] == [
        "spec.initContainers[0].x",
        "spec.containers[0].x",
        "spec.containers[1].x",
    ]


def test_paths_in_a_template_carry_its_place() -> None:
    spec = pod(SPEC).spec
    viewed = Pod(None, spec, "spec.template.")
    assert viewed.at(None, "hostPID") == "spec.template.spec.hostPID"
    assert viewed.at(viewed.containers[2], "image") == "spec.template.spec.containers[0].image"
    assert viewed.volume(3, "hostPath") == "spec.template.spec.volumes[3].hostPath"
    assert viewed.annotation("a/b") == "spec.template.metadata.annotations[a/b]"


def test_a_pod_without_anything() -> None:
    viewed = Pod(None, None)
    assert viewed.containers == []
    assert viewed.contexts == []
    assert viewed.volumes == []
    assert viewed.annotations == {}
    assert not viewed.on_windows
    assert not viewed.own_users
    assert viewed.at(None, "hostPID") == "spec.hostPID"


@pytest.mark.parametrize(
    "spec,expected",
    [({}, False), ({"os": {}}, False), ({"os": {"name": "linux"}}, False), ({"os": {"name": "windows"}}, True)],
)
def test_on_windows(spec: dict[str, object], expected: bool) -> None:
    assert pod(spec).on_windows is expected


@pytest.mark.parametrize("spec,expected", [({}, False), ({"hostUsers": True}, False), ({"hostUsers": False}, True)])
def test_own_users(spec: dict[str, object], expected: bool) -> None:
    assert pod(spec).own_users is expected


def test_annotations_are_the_pods() -> None:
    assert pod({}, annotations={"a": "b"}).annotations == {"a": "b"}


def test_names() -> None:
    assert name_of(None) == ""
    assert name_of(Container()) == ""
    assert name_of(Container(name="app")) == "app"

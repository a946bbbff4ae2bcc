"""Where the pod stands in each kind of object, and which updates of a pod matter."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.core import target
from app.core.target import IGNORED_SUBRESOURCES, is_significant_update, namespace_labels, pod_object, template_of
from app.errors import MalformedReview
from tests.unit.core.reviews import BAD_SPEC, CONTROLLERS, DEPLOYMENT, POD, Kind, request


def test_every_built_in_kind_with_a_template_is_known() -> None:
    assert {(kind.group, kind.resource): (kind.kind, kind.prefix) for kind in CONTROLLERS} == {
        key: (controller.kind, controller.prefix) for key, controller in target.CONTROLLERS.items()
    }


@pytest.mark.parametrize("kind", CONTROLLERS, ids=lambda kind: kind.kind)
def test_the_template_of_a_controller(kind: Kind) -> None:
    controller = target.CONTROLLERS[kind.group, kind.resource]
    pod = template_of(request(kind, BAD_SPEC, metadata={"annotations": {"a": "b"}}), controller)
    assert pod is not None
    assert pod.prefix == kind.prefix
    assert pod.annotations == {"a": "b"}
    assert pod.spec.host_network
    assert pod.at(None, "hostNetwork") == f"{kind.prefix}spec.hostNetwork"


@pytest.mark.parametrize("kind", CONTROLLERS, ids=lambda kind: kind.kind)
def test_a_missing_template_is_an_empty_one_but_for_a_replication_controller(kind: Kind) -> None:
    controller = target.CONTROLLERS[kind.group, kind.resource]
    parts = kind.prefix.strip(".").split(".")
    for length in range(len(parts)):
        whole: dict[str, Any] = {}
        for part in reversed(parts[:length]):
            whole = {part: whole}
        pod = template_of(request(kind, object={"metadata": {"name": "web"}, **whole}), controller)
        if kind.kind == "ReplicationController":
            assert pod is None
        else:
            assert pod is not None
            assert (pod.prefix, pod.containers, pod.volumes) == (kind.prefix, [], [])


@pytest.mark.parametrize("kind", CONTROLLERS, ids=lambda kind: kind.kind)
def test_a_template_may_be_empty(kind: Kind) -> None:
    pod = template_of(request(kind, object=kind.object({}, {})), target.CONTROLLERS[kind.group, kind.resource])
    assert pod is not None
    assert pod.containers == []


def test_a_controller_that_is_missing_or_null_is_malformed() -> None:
    controller = target.CONTROLLERS["apps", "deployments"]
    asked = request(DEPLOYMENT)
    for nothing in (msgspec.Raw(), msgspec.Raw(b"null")):
        asked.object = nothing
        with pytest.raises(MalformedReview, match="^object is missing$"):
            template_of(asked, controller)


@pytest.mark.parametrize("nothing", [msgspec.Raw(), msgspec.Raw(b"null"), b""])
def test_a_pod_that_is_missing_or_null_is_malformed(nothing: bytes | msgspec.Raw) -> None:
    with pytest.raises(MalformedReview, match="^oldObject is missing$"):
        pod_object(nothing, "oldObject")


def test_labels_of_a_namespace() -> None:
    assert namespace_labels(msgspec.Raw(b'{"metadata":{"labels":{"a":"b"}}}'), "object") == {"a": "b"}
    for text in (b"{}", b'{"metadata":null}', b'{"metadata":{}}', b'{"metadata":{"labels":null}}'):
        assert namespace_labels(msgspec.Raw(text), "object") == {}
    with pytest.raises(MalformedReview, match="^oldObject is missing$"):
        namespace_labels(msgspec.Raw(), "oldObject")


def test_subresources_that_cannot_change_a_spec() -> None:
    assert {
        *("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"),
    } == IGNORED_SUBRESOURCES


def containers(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "image": image} for name, image in pairs]


A, B, C = ("a", "x:1"), ("b", "x:1"), ("a", "x:2")


@pytest.mark.parametrize("field", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(
    "after,before,matters",
    [
        pytest.param((A,), (A,), False, id="same"),
        pytest.param((C,), (A,), True, id="another image"),
        pytest.param((A, B), (A,), True, id="one more"),
        pytest.param((("b", "x:1"),), (("b", ""),), True, id="image set"),
        pytest.param((A, C), (A, A), None, id="second changed"),
    ],
)
def test_images_and_sets_of_containers_matter(field: str, after: Any, before: Any, matters: bool | None) -> None:
    found = is_significant_update(_pod(**{field: containers(*after)}), _pod(**{field: containers(*before)}))
    assert found is (True if matters is None else matters)


def _pod(**spec: Any) -> Any:
    return pod_object(msgspec.json.encode({"spec": spec}), "object")


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_container_less_matters(field: str) -> None:
    assert is_significant_update(_pod(**{field: containers(A)}), _pod(**{field: containers(A, B)}))
    assert is_significant_update(_pod(), _pod(**{field: containers(A)}))


def test_ephemeral_containers_are_told_apart_by_name_not_by_place() -> None:
    assert not is_significant_update(
        _pod(ephemeralContainers=containers(B, A)), _pod(ephemeralContainers=containers(A, B))
    )
    assert not is_significant_update(_pod(), _pod(ephemeralContainers=containers(A)))
    assert is_significant_update(_pod(ephemeralContainers=containers(A)), _pod())
    first_of_that_name = _pod(ephemeralContainers=containers(A, C))
    assert not is_significant_update(_pod(ephemeralContainers=containers(A)), first_of_that_name)
    assert is_significant_update(_pod(ephemeralContainers=containers(C)), first_of_that_name)


def test_ephemeral_containers_without_names_or_images() -> None:
    nameless = _pod(ephemeralContainers=[{}])
    assert not is_significant_update(nameless, _pod(ephemeralContainers=[{"image": "", "name": ""}]))
    assert is_significant_update(nameless, _pod(ephemeralContainers=[{"name": "a"}]))


def test_nothing_else_matters() -> None:
    before = _pod(containers=containers(A), securityContext={})
    after = _pod(
        containers=[{"name": "z", "image": "x:1", "securityContext": {"privileged": True}}],
        hostNetwork=True,
        volumes=[{"hostPath": {}}],
        securityContext={"runAsUser": 0},
    )
    assert not is_significant_update(after, before)
    assert not is_significant_update(_pod(), pod_object(b"{}", "oldObject"))
    assert not is_significant_update(_pod(containers=[{"image": ""}]), _pod(containers=[{}]))


def test_the_pod_of_a_pod_is_itself() -> None:
    viewed = target.view(pod_object(request(POD, BAD_SPEC, metadata={"annotations": {"a": "b"}}).object, "object"))
    assert viewed.prefix == ""
    assert viewed.annotations == {"a": "b"}
    assert viewed.at(None, "hostNetwork") == "spec.hostNetwork"

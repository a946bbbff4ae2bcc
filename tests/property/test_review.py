"""Laws of a review, for any object and any policy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.catalog import catalog
from app.core.decision import Decision
from app.core.decode import decode_review
from app.core.facts import Facts, PodList
from app.core.respond import respond
from app.core.review import judge, needs, request_of
from app.core.unknown import Unknown
from app.core.version import Level
from app.errors import MalformedReview
from tests.property.strategies import ANNOTATIONS, JSON, KINDS, LEVELS, PODS, TEXT, VERSIONS
from tests.unit.core.reviews import (
    CONTROLLERS,
    GOOD_SPEC,
    PLAIN_SPEC,
    POD,
    Json,
    Kind,
    answer,
    decide,
    labels,
    request,
    request_json,
    snapshot,
)

pytestmark = pytest.mark.property
quick = settings(max_examples=50, deadline=None)
BY = snapshot(enforce_controllers=True)
NEWEST = catalog().newest

BROKEN = [
    {"hostPID": True},
    {"securityContext": {"windowsOptions": {"hostProcess": True}}},
    {"securityContext": {"seLinuxOptions": {"user": "u"}}},
    {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
]
"""Fields that break baseline in every version and whatever else the pod says."""


def fails(decision: Decision) -> set[tuple[str, str]]:
    return {(finding.check, finding.path.removeprefix(decision.prefix)) for finding in decision.enforce.findings}


def verdict(kind: Kind, spec: Json, level: str, version: str, annotations: Json | None = None) -> Decision:
    asked = request(kind, spec, metadata={"annotations": annotations or {}})
    return decide(asked, BY, enforce=level, enforce_version=version)


requests = st.fixed_dictionaries(
    {"uid": st.text(min_size=1, max_size=8)},
    optional={
        "kind": JSON,
        "resource": st.one_of(
            JSON,
            st.sampled_from([{"group": kind.group, "resource": kind.resource} for kind in (POD, *CONTROLLERS)]),
            st.just({"resource": "namespaces"}),
        ),
        "requestSubResource": st.one_of(st.just(""), TEXT),
        "name": TEXT,
        "namespace": TEXT,
        "operation": st.one_of(st.sampled_from(["CREATE", "UPDATE", "DELETE"]), TEXT),
        "userInfo": st.one_of(JSON, st.just({"username": "ada"})),
        "object": st.one_of(JSON, PODS.map(lambda spec: {"metadata": {"name": "web"}, "spec": spec})),
        "oldObject": st.one_of(JSON, PODS.map(lambda spec: {"spec": spec})),
        "dryRun": st.one_of(st.none(), st.booleans()),
        "options": JSON,
    },
)
facts = st.one_of(
    st.just(Facts(Unknown("no answer"))),
    st.builds(
        Facts,
        st.dictionaries(
            st.sampled_from(list(labels(enforce="", warn="", audit="", enforce_version=""))), TEXT | LEVELS
        ),
        st.one_of(st.none(), st.builds(lambda pod: PodList([msgspec.json.encode(pod)], 2), JSON)),
    ),
)


@settings(max_examples=120, deadline=None)
@given(asked=requests, known=facts, level=LEVELS, version=VERSIONS)
def test_every_request_gets_a_valid_answer_with_its_uid(asked: Json, known: Facts, level: str, version: str) -> None:
    by = replace(snapshot(f"{level}:{version}", "restricted"), enforce_controllers=True)
    try:
        decoded = request_of(decode_review(msgspec.json.encode(review(asked))))
    except MalformedReview as error:
        told = error.summary
    else:
        needs(decoded, by)
        told = ""
    assert told.isascii()
    assert len(told) < 300
    if told:
        return
    response = answer(judge(decoded, by, known))
    assert response["uid"] == asked["uid"]
    assert isinstance(response["allowed"], bool)
    assert ("status" in response) is not response["allowed"]


def review(asked: Json) -> Json:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}


@quick
@given(kind=KINDS, spec=PODS, level=LEVELS, version=VERSIONS, broken=st.sampled_from(BROKEN))
def test_a_violation_more_is_never_allowed_instead(
    kind: Kind, spec: Json, level: str, version: str, broken: Json
) -> None:
    before = verdict(kind, spec, level, version)
    after = verdict(kind, {**spec, **broken}, level, version)
    assert after.allowed is (level == Level.PRIVILEGED)
    assert before.allowed or not after.allowed


@quick
@given(spec=PODS, level=LEVELS, version=VERSIONS, place=st.integers(0, 3))
def test_a_bad_container_more_is_denied_wherever_it_stands(spec: Json, level: str, version: str, place: int) -> None:
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        members: list[Any] = list(spec.get(kind) or [])
        members.insert(place, {"name": "bad", "securityContext": {"privileged": True}})
        assert verdict(POD, {**spec, kind: members}, level, version).allowed is (level == Level.PRIVILEGED)


@quick
@given(spec=PODS, level=LEVELS, version=VERSIONS, data=st.data())
def test_the_order_of_containers_and_volumes_does_not_matter(
    spec: Json, level: str, version: str, data: st.DataObject
) -> None:
    members = ("containers", "initContainers", "ephemeralContainers", "volumes")
    shuffled = {**spec, **{name: data.draw(st.permutations(spec[name])) for name in members if spec.get(name)}}

    def summary(decision: Decision) -> list[tuple[str, str, str]]:
        return sorted((finding.check, finding.value, finding.container) for finding in decision.enforce.findings)

    before, after = verdict(POD, spec, level, version), verdict(POD, shuffled, level, version)
    assert before.allowed is after.allowed
    assert summary(before) == summary(after)


@quick
@given(kind=KINDS, spec=PODS, level=LEVELS, version=VERSIONS, annotations=ANNOTATIONS)
def test_the_same_review_gets_the_same_bytes(
    kind: Kind, spec: Json, level: str, version: str, annotations: Json
) -> None:
    fields = {"metadata": {"annotations": annotations}}
    turned = dict(reversed(spec.items()))
    given_labels = {"enforce": level, "enforce_version": version, "audit": "restricted"}
    first = respond(decide(request(kind, spec, **fields), BY, **given_labels))
    assert first == respond(decide(request(kind, spec, **fields), BY, **given_labels))
    assert first == respond(decide(request(kind, turned, **fields), BY, **given_labels))
    spaced = request_json(kind, spec, **fields)
    pretty = json.dumps(review(spaced), indent=1).encode()
    assert first == respond(decide(request_of(decode_review(pretty)), BY, **given_labels))


@quick
@given(kind=st.sampled_from(CONTROLLERS), spec=PODS, level=LEVELS, version=VERSIONS, annotations=ANNOTATIONS)
def test_a_controller_is_judged_as_its_pods_would_be(
    kind: Kind, spec: Json, level: str, version: str, annotations: Json
) -> None:
    pod = verdict(POD, spec, level, version, annotations)
    controller = verdict(kind, spec, level, version, annotations)
    assert controller.allowed is pod.allowed
    assert fails(controller) == fails(pod)
    if level != Level.PRIVILEGED:
        assert controller.prefix == kind.prefix
    assert all(finding.path.startswith(kind.prefix) for finding in controller.enforce.findings)


@quick
@given(spec=PODS, version=VERSIONS, annotations=ANNOTATIONS)
def test_restricted_refuses_whatever_baseline_refuses(spec: Json, version: str, annotations: Json) -> None:
    baseline = verdict(POD, spec, "baseline", version, annotations)
    restricted = verdict(POD, spec, "restricted", version, annotations)
    privileged = verdict(POD, spec, "privileged", version, annotations)
    assert privileged.allowed
    assert baseline.allowed or not restricted.allowed
    overridden = {weak for check in catalog().checks for since in check.versions for weak in since.overrides}
    lost = {check for check, _ in fails(baseline)} - {check for check, _ in fails(restricted)}
    assert lost <= overridden


@quick
@given(spec=PODS, minor=st.integers(NEWEST, 10**6))
def test_versions_that_are_not_out_yet_mean_the_newest(spec: Json, minor: int) -> None:
    expected = verdict(POD, spec, "restricted", "latest").enforce
    assert verdict(POD, spec, "restricted", f"v1.{minor}").enforce == expected


@quick
@given(spec=PODS, mode=st.sampled_from(["enforce", "audit", "warn"]), level=LEVELS, version=VERSIONS)
def test_modes_find_the_same(spec: Json, mode: str, level: str, version: str) -> None:
    decision = decide(
        request(POD, spec), BY, **{mode: level, f"{mode}_version": version, "warn": "privileged"} | {mode: level}
    )
    expected = verdict(POD, spec, level, version).enforce
    assert getattr(decision, mode) == expected
    assert decision.allowed is (mode != "enforce" or expected.clean)


@quick
@given(spec=PODS, unknown=JSON, name=st.text(min_size=1, max_size=5))
def test_fields_that_nobody_knows_change_nothing(spec: Json, unknown: Any, name: str) -> None:
    assume(f"x-{name}" not in spec)
    extended = {**spec, f"x-{name}": unknown}
    for version in ("latest", "v1.0"):
        assert fails(verdict(POD, extended, "restricted", version)) == fails(verdict(POD, spec, "restricted", version))


@quick
@given(spec=PODS, level=LEVELS)
def test_an_update_that_changes_no_container_is_allowed(spec: Json, level: str) -> None:
    # Kubernetes has unique names here; of two with one name, each is held against the first.
    for number, container in enumerate(spec.get("ephemeralContainers") or []):
        container["name"] = f"debug-{number}"
    asked = request(POD, spec, operation="UPDATE", oldObject=POD.object(None, spec))
    assert decide(asked, BY, enforce=level).allowed


def test_the_laws_are_not_about_nothing() -> None:
    assert verdict(POD, GOOD_SPEC, "restricted", "latest").allowed
    assert not verdict(POD, PLAIN_SPEC, "restricted", "latest").allowed
    assert verdict(POD, PLAIN_SPEC, "baseline", "latest").allowed
    for broken in BROKEN:
        for minor in range(NEWEST + 1):
            assert not verdict(POD, {**GOOD_SPEC, **broken}, "baseline", f"v1.{minor}").allowed

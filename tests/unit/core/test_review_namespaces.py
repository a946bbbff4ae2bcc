"""Namespaces: their labels must mean something, and a stricter level is held against the pods that exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.core.decision import Decision
from app.core.facts import Facts, PodList
from app.core.review import Need, judge, needs
from app.core.unknown import Unknown
from tests.unit.core.reviews import (
    BAD_SPEC,
    GOOD_SPEC,
    PLAIN_SPEC,
    answer,
    labels,
    namespace_request,
    snapshot,
)

BY = snapshot()
EXEMPT = replace(BY, exempt_namespaces=frozenset({"shop"}))
ENFORCE = "pod-security.kubernetes.io/enforce"


def existing(*pods: tuple[str, dict[str, Any]], total: int | None = None) -> PodList:
    """Pods by name and spec."""
    found = [msgspec.json.encode({"metadata": {"name": name}, "spec": spec}) for name, spec in pods]
    return PodList(found, len(found) if total is None else total)


def created(by: Any = BY, **new: str) -> Decision:
    asked = namespace_request(labels(**new))
    assert needs(asked, by) is Need.NOTHING
    return judge(asked, by, Facts())


def updated(new: dict[str, str], old: dict[str, str], pods: Any = None, by: Any = BY, **fields: Any) -> Decision:
    return judge(namespace_request(labels(**new), labels(**old), **fields), by, Facts(pods=pods))


def need(new: dict[str, str], old: dict[str, str], by: Any = BY, **fields: Any) -> Need:
    return needs(namespace_request(labels(**new), labels(**old), **fields), by)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [{}, {"enforce": "restricted", "enforce_version": "v1.99", "warn": "baseline"}])
def test_labels_that_mean_something_are_allowed(new: dict[str, str]) -> None:
    assert answer(created(**new)) == {"uid": "uid-1", "allowed": True}


def test_other_labels_are_none_of_our_business() -> None:
    asked = namespace_request({f"{ENFORCE}-versions": "x", "pod-security.kubernetes.io": "x", "team": "a"})
    assert judge(asked, BY, Facts()).allowed


def test_labels_that_mean_nothing_are_refused_and_all_are_told() -> None:
    response = answer(created(enforce="foo", warn_version="1.2"))
    assert not response["allowed"]
    status = response["status"]
    assert (status["status"], status["code"], status["reason"]) == ("Failure", 422, "Invalid")
    assert (status["details"]["kind"], status["details"]["name"]) == ("Namespace", "shop")
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "foo": must be one of privileged, baseline, restricted',
            "field": f"metadata.labels[{ENFORCE}]",
        },
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "1.2": must be "latest" or "v1.x"',
            "field": "metadata.labels[pod-security.kubernetes.io/warn-version]",
        },
    ]
    assert status["message"].startswith("Namespace shop/shop is invalid: ")
    for cause in status["details"]["causes"]:
        assert cause["field"] in status["message"]
        assert cause["message"] in status["message"]


def test_an_exempt_namespace_may_not_mean_nothing_either() -> None:
    assert not created(EXEMPT, enforce="foo").allowed
    assert not updated({"warn": "foo"}, {}, by=EXEMPT).allowed


@pytest.mark.parametrize(
    "new,old,allowed",
    [
        pytest.param({"enforce": "foo"}, {}, False, id="new"),
        pytest.param({"enforce": "foo"}, {"enforce": "foo"}, True, id="there already"),
        pytest.param({"enforce": "foo"}, {"enforce": "bar"}, False, id="another value"),
        pytest.param({"enforce": "foo", "warn": "x"}, {"enforce": "foo"}, False, id="one more"),
        pytest.param({"enforce": "foo"}, {"enforce": "foo", "warn": "x"}, False, id="one less, as for Kubernetes"),
        pytest.param({}, {"enforce": "foo"}, True, id="mended"),
        pytest.param({"enforce": "foo", "warn": "baseline"}, {"enforce": "foo"}, True, id="beside a good one"),
    ],
)
def test_an_update_may_keep_labels_that_mean_nothing_but_not_bring_them(new: Any, old: Any, allowed: bool) -> None:
    assert updated(new, old).allowed is allowed


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_a_namespace_may_go(operation: str) -> None:
    asked = namespace_request(labels(enforce="foo"), operation=operation)
    assert needs(asked, BY) is Need.NOTHING
    assert judge(asked, BY, Facts()).allowed


@pytest.mark.parametrize("subresource", ["status", "finalize"])
def test_subresources_are_none_of_our_business(subresource: str) -> None:
    fields = {"requestSubResource": subresource}
    assert need({"enforce": "restricted"}, {}, **fields) is Need.NOTHING
    assert updated({"enforce": "foo"}, {}, **fields).allowed


@pytest.mark.parametrize("broken", [{"object": [1]}, {"oldObject": [1]}, {"object": {}, "oldObject": None}])
def test_a_namespace_that_cannot_be_read_is_refused(broken: dict[str, Any]) -> None:
    fields = {"operation": "UPDATE", **broken}
    assert need({"enforce": "restricted"}, {}, **fields) is Need.NOTHING
    decision = updated({"enforce": "restricted"}, {}, **fields)
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code) == (False, 400)


def test_a_namespace_that_is_missing_is_refused() -> None:
    asked = namespace_request({})
    asked.object = msgspec.Raw()
    decision = judge(asked, BY, Facts())
    assert decision.refusal is not None
    assert decision.refusal.message == "cannot judge this request: object is missing"


# --- stricter levels ------------------------------------------------------------------------------------------------

STRICTER = [
    pytest.param({"enforce": "restricted"}, {"enforce": "baseline"}, True, id="stricter"),
    pytest.param({"enforce": "baseline"}, {}, True, id="from the default"),
    pytest.param(
        {"enforce": "baseline", "enforce_version": "v1.20"}, {"enforce": "baseline"}, True, id="older version"
    ),
    pytest.param(
        {"enforce": "baseline", "enforce_version": "v1.20"},
        {"enforce": "restricted"},
        True,
        id="weaker, but of another version",
    ),
    pytest.param({"enforce": "foo"}, {"enforce": "foo"}, False, id="unchanged, though it means nothing"),
    pytest.param({"enforce": "baseline"}, {"enforce": "restricted"}, False, id="weaker"),
    pytest.param({"enforce": "baseline"}, {"enforce": "baseline"}, False, id="same"),
    pytest.param({"enforce": "baseline", "warn": "restricted"}, {"enforce": "baseline"}, False, id="other modes"),
    pytest.param({}, {"enforce": "restricted"}, False, id="label removed"),
    pytest.param(
        {"enforce": "privileged", "enforce_version": "v1.20"}, {"enforce": "baseline"}, False, id="privileged"
    ),
    pytest.param({"enforce_version": "v1.20"}, {}, False, id="privileged of another version"),
    pytest.param({"enforce": "foo"}, {}, False, id="refused anyway"),
]


@pytest.mark.parametrize("new,old,asked", STRICTER)
def test_existing_pods_are_needed_for_a_stricter_level(new: Any, old: Any, asked: bool) -> None:
    assert need(new, old) is (Need.PODS if asked else Need.NOTHING)


@pytest.mark.parametrize("new,old,asked", STRICTER)
def test_only_then_they_are_looked_at(new: Any, old: Any, asked: bool) -> None:
    decision = updated(new, old, existing(("a", BAD_SPEC)))
    assert bool(decision.warnings) is asked


def test_a_new_namespace_has_no_pods() -> None:
    assert needs(namespace_request(labels(enforce="restricted")), BY) is Need.NOTHING


def test_an_exempt_namespace_needs_no_pods() -> None:
    assert need({"enforce": "restricted"}, {}, EXEMPT) is Need.NOTHING


@pytest.mark.parametrize(
    "pods,expected",
    [
        pytest.param(existing(), (), id="no pods"),
        pytest.param(existing(("a", GOOD_SPEC)), (), id="good ones"),
        pytest.param(None, (), id="not asked"),
        pytest.param(
            Unknown("no answer\nin time"),
            ("existing pods were not checked against the new enforce level: no answer in time",),
            id="not known",
        ),
        pytest.param(
            existing(("a", BAD_SPEC), ("b", GOOD_SPEC)),
            (
                'existing pods in namespace "shop" violate the new enforce level baseline:latest',
                "a: host-namespaces",
            ),
            id="one",
        ),
        pytest.param(
            existing(("c", BAD_SPEC), ("b", BAD_SPEC)),
            (
                'existing pods in namespace "shop" violate the new enforce level baseline:latest',
                "b (and 1 other pod): host-namespaces",
            ),
            id="two alike",
        ),
        pytest.param(
            existing(
                ("d", BAD_SPEC),
                ("c", BAD_SPEC),
                ("z", {**PLAIN_SPEC, "volumes": [{"name": "v", "hostPath": {"path": "/"}}], "hostPID": True}),
                ("e", BAD_SPEC),
            ),
            (
                'existing pods in namespace "shop" violate the new enforce level baseline:latest',
                "c (and 2 other pods): host-namespaces",
                "z: host-namespaces, host-path-volumes",
            ),
            id="of two sorts",
        ),
        pytest.param(
            existing(("a", GOOD_SPEC), total=5000),
            ("only 1 of 5000 existing pods were checked against the new enforce level baseline:latest",),
            id="not all",
        ),
    ],
)
def test_warnings_about_existing_pods(pods: Any, expected: tuple[str, ...]) -> None:
    decision = updated({"enforce": "baseline"}, {}, pods)
    assert decision.allowed
    assert decision.warnings == expected
    assert answer(decision).get("warnings", []) == list(expected)


def test_existing_pods_that_cannot_be_read_are_counted_as_unchecked() -> None:
    pods = PodList([b"[]", b"null", *existing(("a", BAD_SPEC)).pods], 3)
    assert updated({"enforce": "baseline"}, {}, pods).warnings == (
        "only 1 of 3 existing pods were checked against the new enforce level baseline:latest",
        'existing pods in namespace "shop" violate the new enforce level baseline:latest',
        "a: host-namespaces",
    )


def test_existing_pods_of_an_exempt_runtime_class_are_left_out() -> None:
    by = replace(BY, exempt_runtime_classes=frozenset({"kata"}))
    pods = existing(("a", {**BAD_SPEC, "runtimeClassName": "kata"}), ("b", {**BAD_SPEC, "runtimeClassName": "runc"}))
    assert updated({"enforce": "baseline"}, {}, pods, by).warnings[1:] == ("b: host-namespaces",)


def test_existing_pods_without_names_or_specs() -> None:
    pods = PodList([b"{}", b'{"spec":{"hostPID":true}}'], 2)
    assert updated({"enforce": "baseline"}, {}, pods).warnings[1:] == (": host-namespaces",)


# --- exempt namespaces ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "new,told",
    [
        ({"enforce": "restricted"}, "enforce=restricted:latest"),
        ({"enforce": "baseline", "audit": "restricted"}, "enforce=baseline:latest, audit=restricted:latest"),
        (
            {"audit": "baseline", "audit_version": "v1.20", "warn": "restricted"},
            "audit=baseline:v1.20, warn=restricted:latest",
        ),
    ],
)
def test_labels_of_an_exempt_namespace_have_no_effect_which_is_told(new: dict[str, str], told: str) -> None:
    expected = (f'namespace "shop" is exempt from Pod Security; its policy ({told}) is ignored',)
    assert created(EXEMPT, **new).warnings == expected
    if "enforce" in new:
        assert updated(new, {}, by=EXEMPT).warnings == expected


@pytest.mark.parametrize("new", [{}, {"enforce": "privileged"}, {"enforce": "privileged", "enforce_version": "v1.3"}])
def test_labels_without_effect_that_ask_for_none_are_no_matter(new: dict[str, str]) -> None:
    assert created(EXEMPT, **new).warnings == ()


def test_labels_that_only_repeat_the_defaults_are_no_matter() -> None:
    by = replace(snapshot("baseline", "restricted", "restricted"), exempt_namespaces=frozenset({"shop"}))
    assert created(by, enforce="baseline", audit="restricted").warnings == ()
    assert created(by, enforce="restricted").warnings == (
        'namespace "shop" is exempt from Pod Security; its policy (enforce=restricted:latest) is ignored',
    )


def test_a_version_alone_is_told_too() -> None:
    by = replace(snapshot("baseline"), exempt_namespaces=frozenset({"shop"}))
    assert created(by, enforce_version="v1.20").warnings == (
        'namespace "shop" is exempt from Pod Security; its policy (enforce=baseline:v1.20) is ignored',
    )


def test_an_exempt_namespace_that_relaxes_is_told_nothing() -> None:
    assert updated({"enforce": "baseline"}, {"enforce": "restricted"}, by=EXEMPT).warnings == ()


def test_a_namespace_that_is_not_exempt_is_told_nothing() -> None:
    assert created(enforce="restricted").warnings == ()

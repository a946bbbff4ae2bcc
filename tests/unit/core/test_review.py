"""What a request needs, and what becomes of it: every way through the walk but that of namespaces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.core.decode import decode_review
from app.core.envelope import AdmissionReview
from app.core.facts import Facts
from app.core.plan import Modes
from app.core.review import Need, judge, needs, request_of
from app.core.target import IGNORED_SUBRESOURCES
from app.core.unknown import Unknown
from app.errors import MalformedReview
from tests.unit.core.reviews import (
    BAD_SPEC,
    CONTROLLERS,
    DEPLOYMENT,
    GOOD_SPEC,
    PLAIN_SPEC,
    POD,
    Kind,
    answer,
    body_of,
    decide,
    labels,
    modes,
    paths,
    policy,
    request,
    request_json,
    snapshot,
)

BY = snapshot()
ENFORCING = snapshot(enforce_controllers=True)
EVERY = (POD, *CONTROLLERS)
ids = pytest.mark.parametrize
every_kind = ids("kind", EVERY, ids=lambda kind: kind.kind)
every_controller = ids("kind", CONTROLLERS, ids=lambda kind: kind.kind)


# --- the envelope ---------------------------------------------------------------------------------------------------


@ids(
    "change,text",
    [
        ({"apiVersion": "admission.k8s.io/v1beta1"}, "not AdmissionReview of admission.k8s.io/v1beta1"),
        ({"apiVersion": "v1"}, "not AdmissionReview of v1"),
        ({"apiVersion": None}, "not AdmissionReview of no apiVersion"),
        ({"kind": "Pod"}, "not Pod of admission.k8s.io/v1"),
        ({"kind": ""}, "not no kind of admission.k8s.io/v1"),
        ({"kind": "x" * 500}, "x"),
        ({"apiVersion": "a\n\x1b\ufeff"}, r"not AdmissionReview of a  \\ufeff"),
        ({"request": None}, "the AdmissionReview has no request"),
    ],
)
def test_another_envelope_is_no_review(change: dict[str, Any], text: str) -> None:
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request_json()} | change
    with pytest.raises(MalformedReview, match=text) as caught:
        request_of(decode_review(msgspec.json.encode(review)))
    assert len(caught.value.summary) < 200


@ids("uid", [None, ""])
def test_a_request_without_a_uid_is_no_review(uid: str | None) -> None:
    with pytest.raises(MalformedReview, match="^the request has no uid$"):
        request_of(decode_review(body_of(request_json() | {"uid": uid})))


def test_the_request_of_a_review() -> None:
    review = decode_review(body_of(request_json()))
    assert request_of(review) is review.request
    with pytest.raises(MalformedReview, match="no kind of no apiVersion"):
        request_of(AdmissionReview())


# --- operations, resources, subresources ----------------------------------------------------------------------------


@every_kind
@ids("operation", ["DELETE", "CONNECT"])
def test_nothing_is_asked_about_operations_that_make_no_pod(kind: Kind, operation: str) -> None:
    asked = request(kind, BAD_SPEC, operation=operation)
    decision = decide(asked, ENFORCING, enforce="restricted")
    assert needs(asked, ENFORCING) is Need.NOTHING
    assert decision.allowed
    assert decision.modes is None


@ids("operation", ["", "PATCH", "create", 'x"\n', None])
def test_an_unknown_operation_is_refused(operation: str | None) -> None:
    asked = request(POD, GOOD_SPEC, operation=operation)
    decision = decide(asked, BY)
    assert needs(asked, BY) is Need.NOTHING
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code, decision.refusal.reason) == (False, 400, "BadRequest")
    assert decision.refusal.message.startswith("cannot judge the operation ")
    assert decision.error == decision.refusal.message


@ids(
    "resource,named",
    [
        ({"group": "", "resource": "services"}, '"services"'),
        ({"group": "apps", "resource": "pods"}, '"pods.apps"'),
        ({"group": "extensions", "resource": "deployments"}, '"deployments.extensions"'),
        ({"group": "apps", "resource": "jobs"}, '"jobs.apps"'),
        ({"resource": 'x"\u202e'}, '"x\\"\\u202e"'),
        ({}, '""'),
        (None, '""'),
    ],
)
@ids("operation", ["CREATE", "UPDATE"])
def test_an_unknown_resource_is_refused_and_named(resource: Any, named: str, operation: str) -> None:
    asked = request(POD, GOOD_SPEC, resource=resource, operation=operation)
    decision = decide(asked, BY)
    assert needs(asked, BY) is Need.NOTHING
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code) == (False, 400)
    assert decision.refusal.message.startswith(f"cannot judge {named}: only pods")


@ids("subresource", sorted(IGNORED_SUBRESOURCES))
def test_some_subresources_of_pods_are_none_of_our_business(subresource: str) -> None:
    asked = request(POD, BAD_SPEC, requestSubResource=subresource, object={"kind": "Anything", "spec": 1})
    assert needs(asked, BY) is Need.NOTHING
    decision = decide(asked, BY, enforce="restricted")
    assert decision.allowed
    assert decision.modes is None


@ids("subresource", ["", "ephemeralcontainers", "resize", "teleport"])
def test_every_other_subresource_of_pods_is_judged_as_a_pod(subresource: str) -> None:
    asked = request(POD, BAD_SPEC, requestSubResource=subresource)
    assert needs(asked, BY) is Need.NAMESPACE
    assert not decide(asked, BY, enforce="baseline").allowed


@every_controller
@ids("subresource", ["status", "scale", "teleport"])
def test_no_subresource_of_controllers_is_judged(kind: Kind, subresource: str) -> None:
    asked = request(kind, BAD_SPEC, requestSubResource=subresource)
    assert needs(asked, ENFORCING) is Need.NOTHING
    assert decide(asked, ENFORCING, enforce="restricted").allowed


# --- exemptions -----------------------------------------------------------------------------------------------------


@every_kind
@ids(
    "exempt,exemption",
    [
        ({"exempt_namespaces": frozenset({"shop"})}, "namespace"),
        ({"exempt_usernames": frozenset({"ada"})}, "user"),
        ({"exempt_namespaces": frozenset({"shop"}), "exempt_usernames": frozenset({"ada"})}, "namespace"),
    ],
)
def test_exempt_namespaces_and_users_need_no_facts_and_no_object(kind: Kind, exempt: Any, exemption: str) -> None:
    by = replace(ENFORCING, **exempt)
    asked = request(kind, object={"spec": "nonsense"})
    assert needs(asked, by) is Need.NOTHING
    decision = judge(asked, by, Facts(Unknown("not asked")))
    assert (decision.allowed, decision.exemption, decision.modes) == (True, exemption, None)
    assert answer(decision) == {"uid": "uid-1", "allowed": True, "auditAnnotations": {"exempt": exemption}}


@ids(
    "exempt",
    [
        {"exempt_namespaces": frozenset({"sho", "Shop", "shop2", ""})},
        {"exempt_usernames": frozenset({"ad", "Ada", ""})},
        {"exempt_runtime_classes": frozenset({"kata", ""})},
    ],
)
@ids("change", [{}, {"userInfo": None}, {"userInfo": {}}, {"namespace": None}])
def test_others_are_not_exempt(exempt: Any, change: Any) -> None:
    asked = request(POD, BAD_SPEC, **change)
    by = replace(BY, **exempt)
    assert needs(asked, by) is Need.NAMESPACE
    assert not decide(asked, by, enforce="baseline").allowed


@every_kind
def test_an_exempt_runtime_class_is_found_in_the_pod(kind: Kind) -> None:
    by = replace(ENFORCING, exempt_runtime_classes=frozenset({"kata"}))
    decision = decide(request(kind, {**BAD_SPEC, "runtimeClassName": "kata"}), by, enforce="restricted", warn="x")
    assert (decision.allowed, decision.exemption) == (True, "runtimeClass")
    other = request(kind, {**BAD_SPEC, "runtimeClassName": "gvisor"})
    assert not decide(other, by, enforce="restricted").allowed


# --- facts ----------------------------------------------------------------------------------------------------------


@every_kind
@ids("operation", ["CREATE", "UPDATE"])
def test_the_labels_of_the_namespace_are_needed(kind: Kind, operation: str) -> None:
    assert needs(request(kind, operation=operation), BY) is Need.NAMESPACE


UNKNOWN = Facts(Unknown('namespace "shop" does not exist'))


def test_a_pod_in_an_unknown_namespace_is_refused() -> None:
    decision = judge(request(POD, GOOD_SPEC), BY, UNKNOWN)
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code, decision.refusal.reason) == (False, 500, "InternalError")
    assert decision.refusal.message == 'cannot judge this request: namespace "shop" does not exist'


@every_controller
def test_a_controller_in_an_unknown_namespace_is_allowed_with_a_note(kind: Kind) -> None:
    decision = judge(request(kind, BAD_SPEC), BY, UNKNOWN)
    assert decision.allowed
    assert answer(decision) == {
        "uid": "uid-1",
        "allowed": True,
        "auditAnnotations": {"error": 'namespace "shop" does not exist'},
    }


@every_controller
def test_an_enforced_controller_in_an_unknown_namespace_is_refused(kind: Kind) -> None:
    decision = judge(request(kind, GOOD_SPEC), ENFORCING, UNKNOWN)
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code) == (False, 500)


# --- short cuts -----------------------------------------------------------------------------------------------------


def test_a_privileged_namespace_allows_any_pod_undecoded() -> None:
    decision = decide(request(POD, object=[1, 2]), BY, enforce="privileged", enforce_version="v1.20")
    assert (decision.allowed, decision.enforced, decision.modes) == (True, True, Modes())
    assert answer(decision)["auditAnnotations"] == {"enforce-policy": "privileged:latest"}


@every_controller
def test_a_controller_is_left_undecoded_where_nothing_warns_or_audits(kind: Kind) -> None:
    decision = decide(request(kind, object=[1, 2]), BY, enforce="restricted", warn="privileged")
    assert (decision.allowed, decision.enforced) == (True, False)
    assert answer(decision) == {"uid": "uid-1", "allowed": True}
    enforcing = decide(request(kind, object=[1, 2]), ENFORCING, enforce="restricted", warn="privileged")
    assert not enforcing.allowed


@ids("given", [{"enforce": "baseline"}, {"audit": "baseline"}, {"warn": "restricted"}, {"audit_version": "x"}])
def test_a_pod_is_decoded_as_soon_as_any_mode_asks_or_a_label_means_nothing(given: dict[str, str]) -> None:
    decision = decide(request(POD, object=[1, 2]), BY, **given)
    assert decision.refusal is not None
    assert decision.refusal.message.startswith("cannot judge this request: object does not have the fields of its kind")


@every_kind
@ids("broken", [None, "text", {"metadata": {"annotations": 1}}])
def test_an_object_that_cannot_be_read_is_refused(kind: Kind, broken: Any) -> None:
    asked = request(kind)
    asked.object = msgspec.Raw(msgspec.json.encode(broken)) if broken is not None else msgspec.Raw()
    decision = decide(asked, ENFORCING, enforce="baseline")
    assert decision.refusal is not None
    assert (decision.allowed, decision.refusal.code, decision.refusal.reason) == (False, 400, "BadRequest")
    assert "object" in decision.refusal.message


@every_controller
def test_a_controller_without_a_template_is_allowed(kind: Kind) -> None:
    decision = decide(request(kind, object={"metadata": {"name": "web"}}), ENFORCING, enforce="restricted")
    assert decision.allowed
    assert decision.enforce.clean
    # Its template alone is optional; everywhere else the API takes a missing one for an empty one.
    assert decision.enforced == (kind.resource != "replicationcontrollers")


# --- updates --------------------------------------------------------------------------------------------------------


def updated(spec: Any, old: Any, kind: Kind = POD, **fields: Any) -> Any:
    return request(kind, spec, operation="UPDATE", oldObject=kind.object(None, old), **fields)


def test_an_update_that_changes_no_image_is_allowed_whatever_the_pod() -> None:
    decision = decide(updated({**BAD_SPEC, "hostname": "a"}, BAD_SPEC), BY, enforce="restricted")
    assert decision.allowed
    assert answer(decision) == {"uid": "uid-1", "allowed": True}


def test_an_update_that_changes_an_image_is_judged() -> None:
    spec = {**BAD_SPEC, "containers": [{"name": "app", "image": "registry.example/app:2"}]}
    assert not decide(updated(spec, BAD_SPEC), BY, enforce="baseline").allowed
    assert decide(updated(GOOD_SPEC, BAD_SPEC, requestSubResource="resize"), BY, enforce="baseline").allowed


def test_a_new_ephemeral_container_is_judged() -> None:
    spec = {**GOOD_SPEC, "ephemeralContainers": [{"name": "debug", "securityContext": {"privileged": True}}]}
    decision = decide(updated(spec, GOOD_SPEC, requestSubResource="ephemeralcontainers"), BY, enforce="baseline")
    assert paths(decision) == ["spec.ephemeralContainers[0].securityContext.privileged"]


def test_an_update_needs_the_old_pod() -> None:
    asked = request(POD, GOOD_SPEC, operation="UPDATE")
    decision = decide(asked, BY, enforce="baseline")
    assert decision.refusal is not None
    assert decision.refusal.message == "cannot judge this request: oldObject is missing"


def test_a_create_does_not_look_at_an_old_pod() -> None:
    assert decide(request(POD, GOOD_SPEC, oldObject=[1]), BY, enforce="baseline").allowed


@every_controller
def test_every_update_of_a_controller_is_judged(kind: Kind) -> None:
    decision = decide(updated(BAD_SPEC, BAD_SPEC, kind), ENFORCING, enforce="baseline")
    assert paths(decision) == [f"{kind.prefix}spec.hostNetwork"]


# --- verdicts -------------------------------------------------------------------------------------------------------


@every_kind
@ids("dry_run", [True, False, None])
def test_a_pod_that_keeps_the_level_is_allowed(kind: Kind, dry_run: bool | None) -> None:
    asked = request(kind, GOOD_SPEC, dryRun=dry_run)
    decision = decide(asked, ENFORCING, enforce="restricted", audit="restricted", warn="restricted")
    assert (decision.allowed, decision.enforced) == (True, True)
    assert decision.modes == modes("restricted", "restricted", "restricted")
    assert answer(decision) == {
        "uid": "uid-1",
        "allowed": True,
        "auditAnnotations": {"enforce-policy": "restricted:latest"},
    }


def test_a_pod_that_breaks_the_level_is_denied() -> None:
    decision = decide(request(POD, BAD_SPEC), BY, enforce="baseline")
    assert not decision.allowed
    assert paths(decision) == ["spec.hostNetwork"]
    assert decision.warn.clean, "a denial carries no warnings"
    assert "warnings" not in answer(decision)


@every_controller
def test_a_controller_is_not_denied_but_warned_about_and_audited(kind: Kind) -> None:
    decision = decide(request(kind, BAD_SPEC), BY, enforce="baseline", audit="restricted")
    assert (decision.allowed, decision.enforced, decision.prefix) == (True, False, kind.prefix)
    response = answer(decision)
    assert "enforce-policy" not in response["auditAnnotations"]
    assert "host-namespaces" in response["auditAnnotations"]["audit-checks"].split(",")
    (warning,) = response["warnings"]
    sentence = f"host-namespaces: {kind.prefix}spec.hostNetwork is true, must be false or unset"
    assert warning == f"would be denied by baseline:latest: {sentence}"


@every_controller
def test_a_controller_is_denied_where_controllers_are_enforced(kind: Kind) -> None:
    decision = decide(request(kind, BAD_SPEC), ENFORCING, enforce="baseline")
    assert (decision.allowed, decision.enforced) == (False, True)
    assert paths(decision) == [f"{kind.prefix}spec.hostNetwork"]
    assert answer(decision)["status"]["code"] == 403


@ids(
    "given,denied,audited,warned",
    [
        ({"enforce": "baseline", "warn": "privileged"}, False, False, False),
        ({"enforce": "baseline"}, False, False, False),
        ({"enforce": "baseline", "audit": "restricted", "warn": "restricted"}, False, True, True),
        ({"audit": "restricted"}, False, True, False),
        ({"warn": "restricted"}, False, False, True),
        ({"enforce": "restricted"}, True, False, False),
        ({"enforce": "restricted", "audit": "restricted"}, True, True, False),
        ({"enforce": "restricted", "audit": "baseline", "warn": "baseline"}, True, False, False),
    ],
)
def test_modes_are_judged_apart(given: dict[str, str], denied: bool, audited: bool, warned: bool) -> None:
    decision = decide(request(POD, PLAIN_SPEC), BY, **given)
    response = answer(decision)
    assert response["allowed"] is not denied
    assert ("audit-violations" in response["auditAnnotations"]) is audited
    assert ("warnings" in response) is warned
    assert decision.modes is not None


def test_each_mode_has_its_own_version() -> None:
    spec = {**GOOD_SPEC, "securityContext": {**GOOD_SPEC["securityContext"], "runAsUser": 0}}
    given = {"enforce": "restricted", "enforce_version": "v1.22", "audit": "restricted", "audit_version": "v1.23"}
    decision = decide(request(POD, spec), BY, **given)
    assert decision.allowed
    assert [finding.check for finding in decision.audit.findings] == ["run-as-user"]
    assert decision.modes == modes("restricted:v1.22", "restricted:v1.23", "restricted:v1.22")


def test_defaults_judge_where_labels_say_nothing() -> None:
    decision = decide(request(POD, BAD_SPEC), snapshot("baseline:v1.30"))
    assert not decision.allowed
    assert decision.modes == modes("baseline:v1.30")
    assert decide(request(POD, BAD_SPEC), snapshot("baseline"), enforce="privileged").allowed


@ids(
    "given,allowed,error",
    [
        (
            {"enforce": "foo"},
            False,
            'pod-security.kubernetes.io/enforce: "foo" must be one of privileged, baseline, restricted',
        ),
        (
            {"warn": "foo"},
            True,
            'pod-security.kubernetes.io/warn: "foo" must be one of privileged, baseline, restricted',
        ),
        (
            {"audit_version": "1.2"},
            True,
            'pod-security.kubernetes.io/audit-version: "1.2" must be "latest" or "v1.x"',
        ),
    ],
)
def test_labels_that_mean_nothing_are_told_in_the_audit_log(given: dict[str, str], allowed: bool, error: str) -> None:
    decision = decide(request(POD, PLAIN_SPEC), BY, **given)
    assert decision.allowed is allowed
    assert answer(decision)["auditAnnotations"]["error"] == f"namespace labels: {error}"
    assert [found.label for found in decision.label_errors] == list(labels(**given))


def test_an_equal_policy_is_evaluated_once() -> None:
    decision = decide(request(DEPLOYMENT, PLAIN_SPEC), ENFORCING, enforce="restricted", audit="restricted")
    assert decision.enforce is decision.audit
    different = decide(request(POD, PLAIN_SPEC), BY, audit="restricted", warn="restricted", warn_version="v1.9")
    assert different.audit is not different.warn


def test_the_enforce_mode_of_controllers_is_not_evaluated_where_it_only_warns() -> None:
    decision = decide(request(DEPLOYMENT, BAD_SPEC), BY, enforce="restricted", audit="baseline", warn="baseline")
    assert decision.enforce.clean
    assert decision.modes is not None
    assert decision.modes.enforce == policy("restricted")

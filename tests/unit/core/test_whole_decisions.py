"""Decisions compared whole, not field by field: nothing about them may change unnoticed."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from app.core.decision import Decision, Refusal
from app.core.envelope import AdmissionRequest, AdmissionReview
from app.core.evaluate import Fault, Verdict
from app.core.facts import Facts, Unknown
from app.core.message import MAX_WARNINGS, denial, existing_pods, invalid_namespace
from app.core.plan import LabelError
from app.core.review import API_VERSION, judge, request_of
from app.core.target import CONTROLLERS, template_of
from app.errors import MalformedReview
from tests.unit.core.reviews import DEPLOYMENT, PLAIN_SPEC, POD, labels, namespace_request, policy, request, snapshot

BY = snapshot()
EXEMPT = replace(BY, exempt_namespaces=frozenset({"shop"}))
ENFORCE = "pod-security.kubernetes.io/enforce"
BAD = LabelError(ENFORCE, "strict", "must be one of privileged, baseline, restricted")
IGNORED = 'namespace "shop" is exempt from Pod Security; its policy (enforce=baseline:latest) is ignored'


def test_a_subresource_of_a_namespace_is_allowed_unread() -> None:
    asked = namespace_request(labels(enforce="strict"), requestSubResource="status")
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=True)


def test_a_new_namespace_is_allowed_without_a_word() -> None:
    asked = namespace_request(labels(enforce="baseline"))
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=True)


def test_a_new_namespace_whose_label_means_nothing_is_refused() -> None:
    asked = namespace_request(labels(enforce="strict"))
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=False, label_errors=(BAD,))


def test_an_update_to_a_label_that_means_nothing_is_refused() -> None:
    asked = namespace_request(labels(enforce="strict"), labels(enforce="baseline"))
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=False, label_errors=(BAD,))


def test_an_update_that_keeps_a_label_that_means_nothing_is_allowed() -> None:
    asked = namespace_request(labels(enforce="strict"), labels(enforce="strict"))
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=True)


@pytest.mark.parametrize("old", ["baseline", "restricted"])
def test_an_update_to_the_same_level_or_a_weaker_one_is_allowed_without_a_word(old: str) -> None:
    asked = namespace_request(labels(enforce="baseline"), labels(enforce=old))
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=True)
    assert judge(asked, EXEMPT, Facts()) == Decision(request=asked, allowed=True)


def test_an_update_to_a_stricter_level_is_allowed() -> None:
    asked = namespace_request(labels(enforce="baseline"), labels())
    assert judge(asked, BY, Facts()) == Decision(request=asked, allowed=True)


@pytest.mark.parametrize("old", [None, {}])
def test_an_exempt_namespace_is_told_that_its_new_level_is_ignored(old: dict[str, str] | None) -> None:
    asked = namespace_request(labels(enforce="baseline"), old)
    assert judge(asked, EXEMPT, Facts()) == Decision(request=asked, allowed=True, warnings=(IGNORED,))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("object", "cannot judge this request: object does not have the fields of its kind: "),
        ("oldObject", "cannot judge this request: oldObject does not have the fields of its kind: "),
    ],
)
def test_a_namespace_that_cannot_be_read_is_refused_by_the_name_of_the_field(field: str, text: str) -> None:
    asked = namespace_request(labels(), labels(), **{field: {"metadata": {"labels": {"a": 1}}}})
    decision = judge(asked, BY, Facts())
    assert decision.refusal is not None
    assert decision.refusal.message.startswith(text)
    refusal = Refusal(400, "BadRequest", decision.refusal.message)
    assert decision == Decision(request=asked, allowed=False, refusal=refusal, error=refusal.message)


@pytest.mark.parametrize(
    ("uid", "reference"),
    [("abc", "abc"), (None, ""), ("x" * 64, "x" * 64), ("x" * 65, f"{'x' * 61}...")],
)
def test_a_failed_check_is_told_with_the_uid_as_reference(uid: str | None, reference: str) -> None:
    asked = msgspec.structs.replace(namespace_request({}), uid=uid)
    verdict = Verdict(faults=(Fault("host-ports", ValueError()),))
    told = denial(asked, policy("baseline"), verdict)
    assert told.endswith(f"the check failed, and what it cannot judge is refused; reference {reference}")


@pytest.mark.parametrize(("kinds", "told", "more"), [(14, 14, ""), (15, 13, "... and 2 more")])
def test_warnings_about_existing_pods_fill_the_limit_before_they_are_counted(kinds: int, told: int, more: str) -> None:
    by_checks = {f"check-{number:02}": [f"pod-{number:02}"] for number in range(kinds)}
    lines = existing_pods(namespace_request({}), policy("baseline"), by_checks, checked=kinds, total=kinds)
    assert len(lines) == MAX_WARNINGS
    assert [line for line in lines if line.startswith("pod-")] == [f"pod-{n:02}: check-{n:02}" for n in range(told)]
    assert lines[-1] == (more or f"pod-{told - 1:02}: check-{told - 1:02}")


def test_all_labels_that_mean_nothing_are_told_in_one_line() -> None:
    errors = (BAD, LabelError(f"{ENFORCE}-version", "new", "must be such"))
    text, _ = invalid_namespace(namespace_request({}), errors)
    assert text.endswith(
        f' is invalid: metadata.labels[{ENFORCE}]: Invalid value: "strict": {BAD.reason},'
        f' metadata.labels[{ENFORCE}-version]: Invalid value: "new": must be such'
    )


def refused(asked: AdmissionRequest, code: int, reason: str, text: str) -> Decision:
    return Decision(request=asked, allowed=False, refusal=Refusal(code, reason, text), error=text)


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_operations_that_make_no_pod_are_allowed_unread(operation: str) -> None:
    asked = request(operation=operation)
    assert judge(asked, snapshot("restricted"), Facts()) == Decision(request=asked, allowed=True)


def test_an_unknown_operation_is_refused_by_its_name() -> None:
    asked = request(operation="PATCH")
    assert judge(asked, BY, Facts()) == refused(asked, 400, "BadRequest", 'cannot judge the operation "PATCH"')


def test_an_unknown_resource_is_refused_by_its_name() -> None:
    asked = request(resource={"group": "apps", "version": "v1", "resource": "widgets"})
    text = (
        'cannot judge "widgets.apps": only pods, the built-in controllers of pods and namespaces; '
        "narrow the webhook's rules"
    )
    assert judge(asked, BY, Facts()) == refused(asked, 400, "BadRequest", text)


def test_an_ignored_subresource_is_allowed_unread() -> None:
    asked = request(requestSubResource="status")
    assert judge(asked, snapshot("restricted"), Facts()) == Decision(request=asked, allowed=True)


def test_an_unknown_namespace_refuses_a_pod() -> None:
    asked = request()
    text = "cannot judge this request: no answer"
    assert judge(asked, BY, Facts(labels=Unknown("no answer"))) == refused(asked, 500, "InternalError", text)


def test_an_exempt_runtime_class_lets_a_pod_pass() -> None:
    asked = request(POD, {**PLAIN_SPEC, "runtimeClassName": "kata"})
    by = snapshot("restricted", exempt_runtime_classes=frozenset({"kata"}))
    assert judge(asked, by, Facts()) == Decision(request=asked, allowed=True, exemption="runtimeClass")


@pytest.mark.parametrize(
    ("review", "text"),
    [
        (AdmissionReview(api_version=API_VERSION, kind="AdmissionReview"), "the AdmissionReview has no request"),
        (
            AdmissionReview(api_version="v1", kind="k" * 114),
            f"expected AdmissionReview of {API_VERSION}, not {'k' * 114} of v1",
        ),
        (
            AdmissionReview(api_version="v1", kind="k" * 115),
            f"expected AdmissionReview of {API_VERSION}, not {'k' * 115} o...",
        ),
    ],
)
def test_a_review_without_a_request_is_malformed_for_a_reason(review: AdmissionReview, text: str) -> None:
    with pytest.raises(MalformedReview) as caught:
        request_of(review)
    assert caught.value.summary == text


def test_a_template_that_cannot_be_read_is_refused_by_the_name_of_the_field() -> None:
    asked = request(DEPLOYMENT, object={"spec": {"template": 1}})
    decision = judge(asked, snapshot(warn="restricted"), Facts())
    assert decision.refusal is not None
    assert decision.refusal.message.startswith("cannot judge this request: object does not have the fields of its kind")


def test_who_selects_by_labels_sees_those_of_the_template_and_of_its_owner() -> None:
    whole = {"metadata": {"labels": {"a": "owner"}}, "spec": {"template": {"metadata": {"labels": {"a": "pod"}}}}}
    pod = template_of(request(DEPLOYMENT, object=whole), CONTROLLERS[("apps", "deployments")])
    assert pod is not None
    assert pod.labels == [{"a": "pod"}, {"a": "owner"}]


def test_a_request_is_never_replaced_in_its_decision() -> None:
    asked: AdmissionRequest = namespace_request(labels(enforce="strict"))
    assert judge(asked, BY, Facts()).request is asked

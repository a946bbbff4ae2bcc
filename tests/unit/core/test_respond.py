"""The bytes of the answer: a valid AdmissionReview, made quickly for what most requests get and alike for the rest."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from app.core import respond as module
from app.core.decision import Decision, Refusal
from app.core.evaluate import Fault, Verdict
from app.core.finding import Finding
from app.core.plan import LabelError, Modes
from app.core.respond import respond
from tests.unit.core.reviews import (
    BAD_SPEC,
    CONTROLLERS,
    DEPLOYMENT,
    GOOD_SPEC,
    PLAIN_SPEC,
    POD,
    answer,
    decide,
    modes,
    namespace_request,
    request,
    snapshot,
)

FOUND = Verdict((Finding("check-a", "spec.x", "1", "be 2", "x: 2"),))
FAILED = Verdict(faults=(Fault("check-b", ValueError("detail of ours")),))
BOTH = modes("restricted", "restricted", "restricted")


def decision(**fields: Any) -> Decision:
    return Decision(**{"request": request(), "allowed": True, **fields})


def test_an_allowed_request_of_which_nothing_is_to_say() -> None:
    assert respond(decision()) == (
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"uid-1","allowed":true}}'
    )


def test_an_allowed_pod_names_the_policy_that_allowed_it() -> None:
    assert respond(decision(modes=modes("baseline:v1.24"), enforced=True)) == (
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"uid-1","allowed":true,'
        b'"auditAnnotations":{"enforce-policy":"baseline:v1.24"}}}'
    )


@pytest.mark.parametrize("fields", [{"modes": Modes(), "enforced": False}, {"enforced": True}])
def test_a_policy_that_was_not_applied_is_not_named(fields: dict[str, Any]) -> None:
    assert answer(decision(**fields)) == {"uid": "uid-1", "allowed": True}


@pytest.mark.parametrize(
    "uid",
    [
        *("705ab4f5-6393-11e8-b7cc-42010a800002", "a", " ", "\n", '"},"allowed":true,{"', "\\", "\x00\x1f\x7f"),
        *("é\u2028\U0001f600", "x" * 100_000, "null", "%s%d{}"),
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_the_uid_is_echoed_whatever_it_is(uid: str, allowed: bool) -> None:
    asked = decide(request(POD, GOOD_SPEC if allowed else BAD_SPEC, uid=uid), snapshot(), enforce="baseline")
    review = json.loads(respond(asked))
    assert review["response"]["uid"] == uid
    assert review["response"]["allowed"] is allowed
    assert set(review["response"]) == {"uid", "allowed", "auditAnnotations", *(() if allowed else ("status",))}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"modes": Modes(), "enforced": True},
        {"modes": BOTH, "enforced": True},
        {"modes": modes("baseline:v1.24"), "enforced": True},
        {"modes": BOTH, "enforced": False},
    ],
)
def test_the_quick_way_and_the_long_way_say_the_same(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    quick = json.loads(respond(decision(**fields)))
    # A warning leads to the long way and changes nothing else.
    long = json.loads(respond(decision(**fields, warnings=("w",))))
    assert long["response"].pop("warnings") == ["w"]
    assert long == quick


@pytest.mark.parametrize(
    "fields,member",
    [
        ({"exemption": "user"}, "auditAnnotations"),
        ({"error": "e"}, "auditAnnotations"),
        ({"warnings": ("w",)}, "warnings"),
        ({"modes": BOTH, "warn": FOUND}, "warnings"),
        ({"modes": BOTH, "warn": FAILED}, "warnings"),
        ({"modes": BOTH, "audit": FOUND}, "auditAnnotations"),
        ({"modes": BOTH, "audit": FAILED}, "auditAnnotations"),
    ],
)
def test_nothing_that_is_to_say_is_lost_on_the_quick_way(fields: dict[str, Any], member: str) -> None:
    assert answer(decision(**fields))[member]


def test_a_denial() -> None:
    asked = request(DEPLOYMENT, uid="u")
    assert answer(decision(request=asked, allowed=False, modes=BOTH, enforced=True, enforce=FOUND)) == {
        "uid": "u",
        "allowed": False,
        "status": {
            "status": "Failure",
            "message": 'Deployment shop/web breaks 1 rule of Pod Security "restricted:latest": check-a\n\n'
            "check-a\n  spec.x is 1\n  must be 2\n  fix: x: 2",
            "reason": "Forbidden",
            "details": {
                "name": "web",
                "group": "apps",
                "kind": "deployments",
                "causes": [{"reason": "check-a", "message": "is 1, must be 2; fix: x: 2", "field": "spec.x"}],
            },
            "code": 403,
        },
        "auditAnnotations": {"enforce-policy": "restricted:latest"},
    }


def test_a_denial_because_a_check_failed_is_an_error_of_ours() -> None:
    status = answer(decision(allowed=False, modes=BOTH, enforced=True, enforce=FAILED))["status"]
    assert (status["code"], status["reason"]) == (500, "InternalError")
    assert "check-b" in status["message"]
    assert "uid-1" in status["message"]
    assert "detail of ours" not in json.dumps(status)
    both = Verdict(FOUND.findings, FAILED.faults)
    status = answer(decision(allowed=False, modes=BOTH, enforced=True, enforce=both))["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert [cause["reason"] for cause in status["details"]["causes"]] == ["check-a", "check-b"]


@pytest.mark.parametrize("code,reason", [(400, "BadRequest"), (500, "InternalError"), (504, "Timeout")])
def test_a_refusal(code: int, reason: str) -> None:
    refused = decision(allowed=False, refusal=Refusal(code, reason, "because"), error="because")
    assert answer(refused) == {
        "uid": "uid-1",
        "allowed": False,
        "status": {"status": "Failure", "message": "because", "reason": reason, "code": code},
        "auditAnnotations": {"error": "because"},
    }


def test_a_namespace_whose_labels_mean_nothing() -> None:
    errors = (LabelError("a", "x", "must be y"),)
    status = answer(decision(request=namespace_request({}), allowed=False, label_errors=errors))["status"]
    assert status == {
        "status": "Failure",
        "message": 'Namespace shop/shop is invalid: metadata.labels[a]: Invalid value: "x": must be y',
        "reason": "Invalid",
        "details": {
            "name": "shop",
            "kind": "Namespace",
            "causes": [
                {
                    "reason": "FieldValueInvalid",
                    "message": 'Invalid value: "x": must be y',
                    "field": "metadata.labels[a]",
                }
            ],
        },
        "code": 422,
    }


def test_a_denial_of_what_has_no_name_or_resource() -> None:
    asked = request(POD, name=None)
    asked.resource = None
    status = answer(decision(request=asked, allowed=False, modes=BOTH, enforced=True, enforce=FOUND))["status"]
    assert status["details"]["name"] == ""
    assert set(status["details"]) == {"name", "causes"}
    asked = request(POD, resource={})
    details = answer(decision(request=asked, allowed=False, modes=BOTH, enforced=True, enforce=FOUND))["status"][
        "details"
    ]
    assert (details["group"], details["kind"]) == ("", "")


def test_findings_of_the_audit_mode_are_for_log_queries() -> None:
    assert answer(decision(modes=modes(audit="baseline:v1.3"), audit=FOUND))["auditAnnotations"] == {
        "audit-violations": 'would violate PodSecurity "baseline:v1.3": check-a: spec.x is 1, must be 2',
        "audit-checks": "check-a",
    }


def test_findings_of_the_warn_mode_come_after_other_warnings() -> None:
    found = answer(decision(modes=modes(warn="baseline:v1.3"), warn=FOUND, warnings=("first",)))
    assert found["warnings"] == ["first", "would be denied by baseline:v1.3: check-a: spec.x is 1, must be 2"]


EVERYTHING: Any = [
    *(
        decide(
            request(kind, spec), snapshot(enforce_controllers=True), enforce="restricted", audit="baseline", warn="x"
        )
        for kind in (POD, *CONTROLLERS)
        for spec in (GOOD_SPEC, PLAIN_SPEC, BAD_SPEC)
    ),
    decide(request(POD, BAD_SPEC), snapshot(), audit="restricted", warn="restricted"),
    decide(request(POD, object=[]), snapshot(), enforce="restricted"),
    decide(request(POD, operation="x"), snapshot()),
    decision(exemption="user", error="é\n" * 20_000),
    decision(allowed=False, modes=BOTH, enforced=True, enforce=FAILED, audit=FAILED),
]


@pytest.mark.parametrize("made", EVERYTHING)
def test_every_answer_is_a_review_that_the_apiserver_accepts(made: Decision) -> None:
    response = answer(made)
    assert set(response) <= {"uid", "allowed", "status", "auditAnnotations", "warnings"}
    assert response["uid"] == made.request.uid
    assert response["allowed"] is made.allowed
    assert ("status" in response) is not made.allowed
    if not made.allowed:
        status = response["status"]
        assert status["status"] == "Failure"
        assert status["message"]
        assert status["code"] >= 400
        assert status["reason"] in {"Forbidden", "BadRequest", "InternalError", "Invalid"}
        assert "warnings" not in response
    for key, value in response.get("auditAnnotations", {}).items():
        assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", key)
        assert 0 < len(value) <= 10 * 1024
        assert value.isascii()
        assert value.isprintable()
    for warning in response.get("warnings", []):
        assert 0 < len(warning) <= 256
        assert warning.isascii()
        assert warning.isprintable()
    assert len(response.get("warnings", [])) <= 15


def test_a_valid_decision_is_encoded_without_surprises() -> None:
    assert msgspec.json.decode(respond(decision(warnings=('"\\',))))["response"]["warnings"] == ['"\\']


def test_many_policies_are_kept_apart() -> None:
    module._allowed_by.cache_clear()
    for minor in range(40):
        for level in ("baseline", "restricted"):
            given = modes(f"{level}:v1.{minor}")
            annotations = answer(decision(modes=given, enforced=True))["auditAnnotations"]
            assert annotations == {"enforce-policy": f"{level}:v1.{minor}"}

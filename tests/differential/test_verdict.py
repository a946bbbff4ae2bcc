import msgspec
import pytest

from app.catalog import catalog
from tests.differential import verdict
from tests.differential.verdict import ParseError, TransientError, Verdict, Violations, checks_of, reference

REQUEST = {"name": 'od"d', "resource": {"resource": "pods"}}


def answer(**response: object) -> bytes:
    return msgspec.json.encode({"response": {"uid": "u", **response}})


def test_the_words_cover_every_check_of_the_catalogue() -> None:
    assert {check.id for check in catalog().checks} == verdict.CHECK_IDS


@pytest.mark.parametrize(
    "text, policy, checks",
    [
        ("privileged", "baseline:latest", {"privileged"}),
        (
            'host namespaces (hostNetwork=true, hostPID=true), privileged (container "a, privileged" must not)',
            "baseline:v1.0",
            {"host-namespaces", "privileged"},
        ),
        ("forbidden AppArmor profile (x), hostPort (y)", "baseline:v1.0", {"app-armor-profile", "host-ports"}),
        ("forbidden AppArmor profiles (x\ny)", "baseline:v1.0", {"app-armor-profile"}),
        ("forbidden sysctls", "baseline:v1.0", {"sysctls"}),
        ("procMount (x)", "baseline:latest", {"proc-mount"}),
        ("procMount (x)", "restricted:v1.34", {"proc-mount"}),
        ("procMount (x)", "restricted:v1.35", {"proc-mount-restricted"}),
        ("seccompProfile (x)", "restricted:v1.18", {"seccomp-profile-baseline"}),
        ("seccompProfile (x)", "restricted:v1.19", {"seccomp-profile-restricted"}),
        ("seccompProfile (x)", "restricted:latest", {"seccomp-profile-restricted"}),
        (
            "allowPrivilegeEscalation != false (x), runAsNonRoot != true (y), runAsUser=0 (z)",
            "restricted:latest",
            {"allow-privilege-escalation", "run-as-non-root", "run-as-user"},
        ),
    ],
)
def test_reasons_become_checks(text: str, policy: str, checks: set[str]) -> None:
    assert checks_of(text, policy) == checks


@pytest.mark.parametrize(
    "text",
    [
        *("", "privileged,", "privileged, ", "privileged (a (b))", "privilege", "privileged x", "x privileged"),
        *("privileged (a), privileged (b)", "privileged (a", "unknown forbidden reason", "hostPort (a)hostPort"),
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        checks_of(text, "baseline:latest")


def test_a_denial() -> None:
    message = 'pods "od\\"d" is forbidden: violates PodSecurity "baseline:v1.5": privileged (x), hostPort (y)'
    body = answer(
        allowed=False,
        status={"message": message, "reason": "Forbidden", "code": 403},
        auditAnnotations={
            "enforce-policy": "baseline:v1.5",
            "audit-violations": 'would violate PodSecurity "restricted:latest": runAsUser=0 (z)',
        },
    )
    assert reference(body, REQUEST) == Verdict(
        "forbidden",
        policy="baseline:v1.5",
        enforce=Violations("baseline:v1.5", frozenset({"privileged", "host-ports"})),
        audit=Violations("restricted:latest", frozenset({"run-as-user"})),
    )


@pytest.mark.parametrize(
    "response, expected",
    [
        ({"allowed": True}, Verdict("allowed")),
        ({"allowed": True, "auditAnnotations": {"exempt": "user"}}, Verdict("allowed", exempt="user")),
        ({"allowed": True, "auditAnnotations": {"error": "failed to decode object: x"}}, Verdict("allowed with error")),
        (
            {"allowed": True, "auditAnnotations": {"error": "Failed to parse policy: x"}},
            Verdict("allowed", label_error=True),
        ),
        ({"allowed": False, "status": {"reason": "Invalid"}}, Verdict("invalid")),
        ({"allowed": False, "status": {"reason": "BadRequest"}}, Verdict("error")),
        (
            {"allowed": True, "warnings": ['would violate PodSecurity "baseline:v1.99": hostPort (x)']},
            Verdict("allowed", warn=Violations("baseline:v1.99", frozenset({"host-ports"}))),
        ),
        (
            {"allowed": True, "warnings": ['namespace "a" is exempt from Pod Security, and the policy (x) will be']},
            Verdict("allowed", ignored_labels=True),
        ),
        (
            {
                "allowed": True,
                "warnings": [
                    'existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:latest"',
                    "b (and 2 other pods): forbidden AppArmor profile",
                    "a (and 1 other pod): forbidden AppArmor profiles",
                    "c: privileged, hostPort",
                ],
            },
            Verdict(
                "allowed",
                existing=frozenset(
                    {
                        ("a", frozenset({"app-armor-profile"}), 5),
                        ("c", frozenset({"privileged", "host-ports"}), 1),
                    }
                ),
            ),
        ),
    ],
)
def test_other_answers(response: dict[str, object], expected: Verdict) -> None:
    assert reference(answer(**response), REQUEST) == expected


@pytest.mark.parametrize(
    "response",
    [
        {"allowed": True, "warnings": ["something new"]},
        {"allowed": False, "status": {"reason": "Forbidden", "message": 'pods "x" is forbidden: no'}},
        {"allowed": True, "auditAnnotations": {"audit-violations": 'violates PodSecurity "baseline:latest": hostPort'}},
    ],
)
def test_answers_of_another_form_are_refused(response: dict[str, object]) -> None:
    with pytest.raises(ParseError):
        reference(answer(**response), REQUEST)


def test_a_reference_out_of_time_is_told_apart() -> None:
    warning = "failed to list pods while checking new PodSecurity enforce level"
    with pytest.raises(TransientError):
        reference(answer(allowed=True, warnings=[warning]), REQUEST)

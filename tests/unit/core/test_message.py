"""Words for people and programs: exact texts, grouping, and every limit that the apiserver or a terminal sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.core import message
from app.core.evaluate import Fault, Verdict
from app.core.finding import Finding, shown
from app.core.message import (
    MAX_ANNOTATION,
    MAX_CAUSES,
    MAX_HEADLINE,
    MAX_LINE,
    MAX_PLACES,
    MAX_TEXT,
    MAX_WARNING,
    MAX_WARNINGS,
)
from app.core.plan import LabelError
from tests.unit.core.reviews import (
    CONTROLLERS,
    PLAIN_SPEC,
    POD,
    decide,
    namespace_request,
    policy,
    request,
    snapshot,
)

RESTRICTED = policy("restricted")
HOSTILE = 'a\n\t\x00\x1b[2J\x7f\u202e"é\\' + "\U0001f600"


def finding(number: int = 0, check: str = "check-a", **fields: Any) -> Finding:
    given = {"path": f"spec.x[{number}]", "value": "1", "expected": "be 2", "fix": "x: 2", **fields}
    return Finding(check, **given)


def denial(*findings: Finding, faults: tuple[Fault, ...] = (), **fields: Any) -> str:
    return message.denial(request(**fields), RESTRICTED, Verdict(findings, faults))


def blocks(text: str) -> list[str]:
    return text.split("\n\n")[1:]


def is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


# --- whole texts ----------------------------------------------------------------------------------------------------


def test_a_pod_with_several_containers() -> None:
    spec = {
        "hostPID": True,
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        "initContainers": [{"name": "setup", "image": "i", "securityContext": {"privileged": True}}],
        "containers": [
            {"name": "web", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]},
            {"name": "log-shipper-of-the-platform", "image": "i", "securityContext": {"procMount": "Unmasked"}},
        ],
    }
    decision = decide(request(POD, spec), snapshot(), enforce="restricted", enforce_version="v1.20")
    assert message.denial(decision.request, policy("restricted:v1.20"), decision.enforce) == (
        'Pod shop/web breaks 8 rules of Pod Security "restricted:v1.20": privileged, host-namespaces, '
        "run-as-non-root, allow-privilege-escalation, host-ports, proc-mount and 2 more\n"
        "\n"
        'privileged: container "setup"\n'
        "  spec.initContainers[0].securityContext.privileged is true\n"
        "  must be false or unset\n"
        "  fix: privileged: false\n"
        "\n"
        "host-namespaces\n"
        "  spec.hostPID is true\n"
        "  must be false or unset\n"
        "  fix: hostPID: false\n"
        "\n"
        'run-as-non-root: containers "setup", "web", "log-shipper-of-the-platform"\n'
        "  spec.initContainers[0].securityContext.runAsNonRoot is not set\n"
        "  spec.containers[0].securityContext.runAsNonRoot is not set\n"
        "  spec.containers[1].securityContext.runAsNonRoot is not set\n"
        "  must be true, here or for the pod\n"
        "  fix: runAsNonRoot: true\n"
        "\n"
        'allow-privilege-escalation: containers "setup", "web",\n'
        '    "log-shipper-of-the-platform"\n'
        "  spec.initContainers[0].securityContext.allowPrivilegeEscalation is not set\n"
        "  spec.containers[0].securityContext.allowPrivilegeEscalation is not set\n"
        "  spec.containers[1].securityContext.allowPrivilegeEscalation is not set\n"
        "  must be false\n"
        "  fix: allowPrivilegeEscalation: false\n"
        "\n"
        'host-ports: container "web"\n'
        "  spec.containers[0].ports[0].hostPort is 80\n"
        "  must be 0 or unset\n"
        "  fix: hostPort: 0\n"
        "\n"
        'proc-mount: container "log-shipper-of-the-platform"\n'
        '  spec.containers[1].securityContext.procMount is "Unmasked"\n'
        "  must be Default or unset\n"
        "  fix: procMount: Default\n"
        "\n"
        'restricted-volumes: volume "root"\n'
        "  spec.volumes[0].hostPath is set\n"
        "  must be one of configMap, csi, downwardAPI, emptyDir, ephemeral, image,\n"
        "    persistentVolumeClaim, projected, secret\n"
        "  fix: emptyDir: {}\n"
        "\n"
        'seccomp-profile-restricted: containers "setup", "web",\n'
        '    "log-shipper-of-the-platform"\n'
        "  spec.initContainers[0].securityContext.seccompProfile.type is not set\n"
        "  spec.containers[0].securityContext.seccompProfile.type is not set\n"
        "  spec.containers[1].securityContext.seccompProfile.type is not set\n"
        "  must be RuntimeDefault or Localhost, here or for the pod\n"
        "  fix: seccompProfile: {type: RuntimeDefault}"
    )


def test_a_cron_job_has_its_own_paths_and_a_long_one_stands_alone() -> None:
    by = snapshot(enforce_controllers=True)
    spec = {"containers": [{"name": "web", "image": "i", "securityContext": {"privileged": True}}]}
    decision = decide(request(CONTROLLERS[-1], spec), by, enforce="baseline")
    assert message.denial(decision.request, policy("baseline"), decision.enforce) == (
        'CronJob shop/web breaks 1 rule of Pod Security "baseline:latest": privileged\n'
        "\n"
        'privileged: container "web"\n'
        "  spec.jobTemplate.spec.template.spec.containers[0].securityContext.privileged\n"
        "    is true\n"
        "  must be false or unset\n"
        "  fix: privileged: false"
    )


def test_a_check_that_failed_beside_one_that_found_something() -> None:
    fault = Fault("check-b", ValueError("secret detail of ours"))
    assert denial(finding(), faults=(fault,)) == (
        'Pod shop/web breaks 1 rule of Pod Security "restricted:latest": check-a\n'
        "\n"
        "check-a\n"
        "  spec.x[0] is 1\n"
        "  must be 2\n"
        "  fix: x: 2\n"
        "\n"
        "check-b: the check failed, and what it cannot judge is refused; reference uid-1"
    )


def test_a_check_that_failed_alone() -> None:
    assert denial(faults=(Fault("check-b", KeyError("x")),), uid="u\n") == (
        "Pod shop/web cannot be judged\n\ncheck-b: the check failed, and what it cannot judge is refused; reference u "
    )


# --- the parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields,expected",
    [
        ({}, "Pod shop/web"),
        ({"name": None}, "Pod in namespace shop"),
        ({"name": ""}, "Pod in namespace shop"),
        ({"namespace": None}, "Pod web"),
        ({"name": None, "namespace": None}, "Pod"),
        ({"kind": None}, "object shop/web"),
        ({"kind": {}}, "object shop/web"),
        ({"kind": {"kind": HOSTILE}}, r'a    [2J \u202e"\xe9\\U0001f600 shop/web'),
        ({"name": HOSTILE}, r'Pod shop/a    [2J \u202e"\xe9\\U0001f600'),
        (
            {"kind": {"kind": "K" * 70}, "name": "n" * 300, "namespace": "s" * 300},
            f"{'K' * 61}... {'s' * 250}.../{'n' * 250}...",
        ),
    ],
)
def test_the_subject(fields: dict[str, Any], expected: str) -> None:
    found = message.subject(request(**fields))
    assert found == expected
    assert is_printable(found)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("", ""),
        ("plain", "plain"),
        ("a\nb\tc\rd\x00e\x1bf\x7fg", "a b c d e f g"),
        ("é\u202e\U0001f600\x85", "\\xe9\\u202e\\U0001f600\\x85"),
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 253 + "..."),
        ("\ud800", "\\ud800"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert message.one_line(text) == expected
    assert is_printable(message.one_line(text))


@pytest.mark.parametrize(
    "name,expected",
    [
        ("app", '"app"'),
        (None, '""'),
        ("", '""'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\nb", '"a\\nb"'),
        ("\x7f", '"\\u007f"'),
        ("é", '"\\u00e9"'),
        ("x" * 79, f'"{"x" * 79}"'),
        ("x" * 80, f'"{"x" * 76}...'),
    ],
)
def test_quoted(name: str | None, expected: str) -> None:
    assert message.quoted(name) == expected
    assert is_printable(message.quoted(name))


def test_counted() -> None:
    assert [message.counted(number, "rule", "rules") for number in (0, 1, 2)] == ["0 rules", "1 rule", "2 rules"]


def test_findings_of_one_check_with_one_remedy_go_together() -> None:
    text = denial(
        finding(0, container="a"), finding(1, "check-b"), finding(2, container="b"), finding(3, expected="be 3")
    )
    assert [block.splitlines()[0] for block in blocks(text)] == ['check-a: containers "a", "b"', "check-b", "check-a"]
    assert text.splitlines()[0].endswith('breaks 2 rules of Pod Security "restricted:latest": check-a, check-b')
    assert blocks(text)[0].splitlines()[1:] == ["  spec.x[0] is 1", "  spec.x[2] is 1", "  must be 2", "  fix: x: 2"]


def test_a_container_with_several_findings_is_named_once() -> None:
    assert 'check-a: container "a"\n' in denial(finding(0, container="a"), finding(1, container="a"))


def test_each_fix_is_told_once() -> None:
    text = denial(finding(0, fix="a: 1"), finding(1, fix="b: 1"), finding(2, fix="a: 1"))
    assert text.endswith("  must be 2\n  fix: a: 1\n  fix: b: 1")


def test_volumes_and_containers_are_named() -> None:
    assert 'check-a: container "c": volume "v"\n' in denial(finding(container="c", volume="v"))
    assert 'check-a: volumes "v", "w"\n' in denial(finding(0, volume="v"), finding(1, volume="w"))


def test_the_first_line_names_six_checks_and_counts_the_rest() -> None:
    six = denial(*(finding(check=f"check-{letter}") for letter in "abcdef")).splitlines()[0]
    assert six.endswith(": check-a, check-b, check-c, check-d, check-e, check-f")
    eight = denial(*(finding(check=f"check-{letter}") for letter in "abcdefgh")).splitlines()[0]
    assert eight.endswith(": check-a, check-b, check-c, check-d, check-e, check-f and 2 more")
    assert "breaks 8 rules of" in eight


@pytest.mark.parametrize("length", [1, 40, 63, 100, 140, 180, 200, 253])
def test_the_first_line_is_short_and_stands_alone(length: int) -> None:
    text = denial(*(finding(check=f"a-long-check-name-{letter}") for letter in "abcdefgh"), name="n" * length)
    first, empty = text.splitlines()[:2]
    assert len(first) <= MAX_HEADLINE == 256
    assert empty == ""
    assert first.startswith(f"Pod shop/{'n' * min(length, 244)}")
    if length <= 140:
        assert re.search(r": a-long-check-name-a(, a-long-check-name-[b-f])* and \d more$", first), first
    if length <= 180:
        assert 'breaks 8 rules of Pod Security "restricted:latest"' in first


def test_the_first_line_of_a_failed_check_is_short_too() -> None:
    text = denial(faults=(Fault("check-b", KeyError()),), name="n" * 500, namespace="s" * 500, kind={"kind": "K" * 500})
    assert len(text.splitlines()[0]) <= MAX_HEADLINE


# --- limits ---------------------------------------------------------------------------------------------------------


def hostile() -> Iterator[Finding]:
    for number in range(40):
        yield finding(
            number,
            f"check-{number % 7}",
            path=f"metadata.annotations[{HOSTILE}{number}]",
            value=shown(HOSTILE * number),
            expected=f"be {HOSTILE} {'long ' * 30}{number % 3}",
            fix=f"{HOSTILE}: {number}",
            container=HOSTILE * (1 + number % 5),
            volume=HOSTILE if number % 2 else "",
        )


def test_everything_is_printable_ascii_whatever_the_names() -> None:
    found = Verdict(tuple(hostile()))
    asked = request(kind={"kind": HOSTILE}, name=HOSTILE, namespace=HOSTILE, uid=HOSTILE)
    texts = [
        *message.denial(asked, RESTRICTED, found).split("\n"),
        *(value for cause in message.causes(found) for value in cause.values()),
        *message.warnings(RESTRICTED, found),
        message.violations(RESTRICTED, found),
        message.broken_checks(found),
        *message.existing_pods(asked, RESTRICTED, {"a": [HOSTILE]}, checked=0, total=1),
        message.label_errors((LabelError("l", HOSTILE, "must be x"),)),
        message.invalid_namespace(asked, (LabelError("l", HOSTILE, "must be x"),))[0],
        *message.ignored_labels(asked, snapshot("baseline").defaults, snapshot().defaults, {}),
    ]
    assert [text for text in texts if not is_printable(text)] == []


def test_lines_fit_a_terminal_but_for_paths_that_cannot_be_broken() -> None:
    spec = {
        "containers": [
            {
                "name": f"container-number-{number}",
                "image": "i",
                "securityContext": {"seLinuxOptions": {"type": "x" * 200}},
            }
            for number in range(12)
        ],
        "volumes": [{"name": f"volume-number-{number}", "nfs": {}} for number in range(12)],
    }
    by = snapshot(enforce_controllers=True)
    for kind in (POD, *CONTROLLERS):
        decision = decide(request(kind, spec), by, enforce="restricted")
        lines = message.denial(decision.request, RESTRICTED, decision.enforce).splitlines()
        long = [line for line in lines[1:] if len(line) > 80]
        assert [line for line in long if not re.fullmatch(r"  [^ ]+|    is [^ ]+", line)] == []


def test_a_rule_lists_a_bounded_number_of_places() -> None:
    text = denial(*(finding(number, container=f"c{number}", fix=f"x: {number}") for number in range(MAX_PLACES + 7)))
    (block,) = blocks(text)
    assert block.count(" is 1") == MAX_PLACES
    assert "\n  ... and 7 more\n  must be 2\n" in block
    assert " and 7 more\n" in block.partition("  spec")[0]
    assert block.count("fix: ") == MAX_PLACES
    exactly = denial(*(finding(number) for number in range(MAX_PLACES)))
    assert "more" not in exactly


def test_a_denial_has_a_bounded_length_and_says_what_is_missing() -> None:
    text = denial(*(finding(number, expected=f"be {number}", path="p" * 500) for number in range(100)))
    told = blocks(text)
    assert len(text) <= MAX_HEADLINE + MAX_TEXT + 1000
    assert len(told) > 20
    assert told[-1] == f"... and {100 - len(told) + 1} more, in status.details.causes"


def test_causes_tell_each_finding() -> None:
    verdict = Verdict((finding(0, container="a"), finding(1)), (Fault("check-b", ValueError("detail")),))
    assert message.causes(verdict) == [
        {"reason": "check-a", "message": "is 1, must be 2; fix: x: 2", "field": "spec.x[0]"},
        {"reason": "check-a", "message": "is 1, must be 2; fix: x: 2", "field": "spec.x[1]"},
        {"reason": "check-b", "message": "the check failed"},
    ]


def test_causes_are_bounded() -> None:
    found = message.causes(Verdict(tuple(finding(number, path="p" * 9999, value="v" * 9999) for number in range(600))))
    assert len(found) == MAX_CAUSES
    assert {len(cause["field"]) for cause in found} == {MAX_LINE}
    assert {len(cause["message"]) for cause in found} == {MAX_LINE}


def test_warnings_have_one_line_for_each_rule() -> None:
    verdict = Verdict(
        (finding(0, container="a"), finding(1, container="b"), finding(2, "check-b")), (Fault("check-c", ValueError()),)
    )
    denied = "would be denied by restricted:latest:"
    assert message.warnings(RESTRICTED, verdict) == [
        f'{denied} check-a: containers "a", "b": spec.x[0] is 1 (and 1 more), must be 2',
        f"{denied} check-b: spec.x[2] is 1, must be 2",
        f"{denied} the check check-c failed",
    ]


def test_a_warning_names_three_containers_and_counts_the_rest() -> None:
    verdict = Verdict(tuple(finding(number, container=f"c{number}") for number in range(5)))
    (warning,) = message.warnings(RESTRICTED, verdict)
    assert warning == (
        'would be denied by restricted:latest: check-a: containers "c0", "c1", "c2" and 2 more: '
        "spec.x[0] is 1 (and 4 more), must be 2"
    )


@pytest.mark.parametrize("number,more", [(1, None), (14, None), (15, None), (16, 2), (40, 26)])
def test_warnings_are_few_and_the_last_counts_the_rest(number: int, more: int | None) -> None:
    found = message.warnings(RESTRICTED, Verdict(tuple(finding(check=f"check-{index}") for index in range(number))))
    assert len(found) == min(number, MAX_WARNINGS)
    assert MAX_WARNINGS == 15
    assert len(set(found)) == len(found), "the apiserver drops repeated ones"
    if more is None:
        assert "and" not in found[-1]
    else:
        assert found[-1] == f"would be denied by restricted:latest: ... and {more} more"
        assert len(found) - 1 + more == number


def test_warnings_are_short_enough_that_the_apiserver_keeps_all() -> None:
    found = message.warnings(RESTRICTED, Verdict(tuple(hostile())))
    assert max(map(len, found)) <= MAX_WARNING == 256
    assert sum(map(len, found)) <= 4096


def test_the_audit_annotation_tells_every_rule_in_one_line() -> None:
    verdict = Verdict((finding(0), finding(1, "check-b")), (Fault("check-c", ValueError()),))
    assert message.violations(policy("baseline:v1.20"), verdict) == (
        'would violate PodSecurity "baseline:v1.20": '
        "check-a: spec.x[0] is 1, must be 2; check-b: spec.x[1] is 1, must be 2; check-c: the check failed"
    )


def test_the_audit_annotation_is_bounded() -> None:
    verdict = Verdict(tuple(finding(number, expected=f"be {number}") for number in range(5000)))
    assert len(message.violations(RESTRICTED, verdict)) == MAX_ANNOTATION == 10 * 1024


def test_ids_of_broken_checks_are_sorted_and_unique() -> None:
    verdict = Verdict(
        (finding(0, "b"), finding(1, "c"), finding(2, "b")), (Fault("a", ValueError()), Fault("c", ValueError()))
    )
    assert message.broken_checks(verdict) == "a,b,c"


def test_nothing_found_is_nothing_to_tell() -> None:
    assert message.causes(Verdict()) == []
    assert message.warnings(RESTRICTED, Verdict()) == []
    assert message.broken_checks(Verdict()) == ""


def test_label_errors() -> None:
    assert message.label_errors(()) == ""
    errors = (LabelError("a", 'x"', "must be y"), LabelError("b", "", "must be z"))
    assert message.label_errors(errors) == r'namespace labels: a: "x\"" must be y; b: "" must be z'
    assert len(message.label_errors((LabelError("l" * 20_000, "v", "r"),))) == MAX_ANNOTATION


def test_warnings_about_existing_pods_are_bounded() -> None:
    by_checks = {f"check-{number}": [f"pod-{number:03}" + "p" * 300] for number in range(40)}
    found = message.existing_pods(namespace_request({}), RESTRICTED, by_checks, checked=9, total=10)
    assert len(found) == MAX_WARNINGS
    assert found[-1] == "... and 28 more"
    assert found[0].startswith("only 9 of 10 existing pods were checked")
    assert max(map(len, found)) <= MAX_WARNING
    assert [line[:7] for line in found[2:-1]] == [f"pod-{number:03}" for number in range(12)]


def test_the_same_findings_are_told_in_the_same_words() -> None:
    first = decide(request(POD, PLAIN_SPEC), snapshot(), enforce="restricted")
    second = decide(request(POD, PLAIN_SPEC), snapshot(), enforce="restricted")
    assert message.causes(first.enforce) == message.causes(second.enforce)
    assert message.denial(first.request, RESTRICTED, first.enforce) == message.denial(
        second.request, RESTRICTED, second.enforce
    )

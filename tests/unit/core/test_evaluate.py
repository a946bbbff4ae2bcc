"""Every rule is run; one that raises becomes a fault; no pod makes a verdict of unbounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.catalog import catalog
from app.core.check import Since
from app.core.evaluate import CLEAN, MAX_FINDINGS, Fault, Verdict, evaluate
from app.core.finding import Finding
from app.core.plan import Rule
from app.core.pod import Pod
from tests.unit.core.reviews import GOOD_SPEC, pod


def rule(check: str, count: int = 0, error: Exception | None = None) -> Rule:
    def find(_: Pod) -> Iterator[Finding]:
        for index in range(count):
            yield Finding(check, f"spec.x[{index}]", "1", "be 2", "x: 2")
        if error is not None:
            raise error

    return replace(catalog().checks[0], id=check), Since("v1.0", find)


def test_no_rules_find_nothing() -> None:
    assert evaluate((), pod(GOOD_SPEC)) is CLEAN
    assert evaluate((rule("a"),), pod(GOOD_SPEC)) is CLEAN
    assert CLEAN.clean


def test_findings_of_all_rules_in_the_order_of_the_rules() -> None:
    verdict = evaluate((rule("b", 2), rule("c"), rule("a", 1)), pod(GOOD_SPEC))
    assert [(finding.check, finding.path) for finding in verdict.findings] == [
        ("b", "spec.x[0]"),
        ("b", "spec.x[1]"),
        ("a", "spec.x[0]"),
    ]
    assert verdict.faults == ()
    assert not verdict.clean


def test_a_rule_that_raises_is_a_fault_and_stops_no_other() -> None:
    error = KeyError("boom")
    verdict = evaluate((rule("a", 1), rule("b", 0, error), rule("c", 1)), pod(GOOD_SPEC))
    assert verdict.faults == (Fault("b", error),)
    assert [finding.check for finding in verdict.findings] == ["a", "c"]
    assert not verdict.clean


def test_what_a_rule_found_before_it_raised_is_kept() -> None:
    verdict = evaluate((rule("a", 2, ValueError("boom")),), pod(GOOD_SPEC))
    assert len(verdict.findings) == 2
    assert [fault.check for fault in verdict.faults] == ["a"]


def test_a_fault_alone_is_not_clean() -> None:
    verdict = evaluate((rule("a", 0, RecursionError("boom")),), pod(GOOD_SPEC))
    assert verdict.findings == ()
    assert not verdict.clean
    assert not Verdict(faults=verdict.faults).clean


def test_a_rule_that_raises_when_called_is_a_fault() -> None:
    def find(_: Pod) -> Iterator[Finding]:
        raise TypeError("boom")

    verdict = evaluate(((catalog().checks[0], Since("v1.0", find)),), pod(GOOD_SPEC))
    assert [fault.check for fault in verdict.faults] == [catalog().checks[0].id]


def test_findings_of_one_rule_are_bounded_and_those_of_others_are_not_lost() -> None:
    verdict = evaluate((rule("a", MAX_FINDINGS), rule("b", 10 * MAX_FINDINGS), rule("c", 1)), pod(GOOD_SPEC))
    counts = {check: sum(finding.check == check for finding in verdict.findings) for check in "abc"}
    assert counts == {"a": MAX_FINDINGS, "b": MAX_FINDINGS, "c": 1}
    assert MAX_FINDINGS == 500

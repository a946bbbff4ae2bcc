"""Namespace labels over defaults: which level and version each mode gets, and which labels mean nothing."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.facts import Facts
from app.core.plan import LABELS, PRIVILEGED, Modes, Snapshot, labelled
from app.core.review import judge
from app.core.version import Level
from tests.unit.core.reviews import POD, labels, modes, policy, request, snapshot

LEVEL_REASON = "must be one of privileged, baseline, restricted"
VERSION_REASON = 'must be "latest" or "v1.x"'


def test_the_labels_are_those_of_kubernetes() -> None:
    assert LABELS == (
        "pod-security.kubernetes.io/enforce",
        "pod-security.kubernetes.io/enforce-version",
        "pod-security.kubernetes.io/audit",
        "pod-security.kubernetes.io/audit-version",
        "pod-security.kubernetes.io/warn",
        "pod-security.kubernetes.io/warn-version",
    )


@pytest.mark.parametrize(
    "given,expected",
    [
        pytest.param({}, modes(), id="nothing"),
        pytest.param({"enforce": "baseline"}, modes("baseline", warn="baseline"), id="warn follows enforce"),
        pytest.param(
            {"enforce": "restricted", "enforce_version": "v1.22"},
            modes("restricted:v1.22", warn="restricted:v1.22"),
            id="with its version",
        ),
        pytest.param(
            {"enforce": "baseline", "enforce_version": "v1.22", "warn_version": "latest"},
            modes("baseline:v1.22", warn="baseline:latest"),
            id="but for a version of its own",
        ),
        pytest.param(
            {"enforce": "baseline", "enforce_version": "v1.22", "warn_version": "v1.23"},
            modes("baseline:v1.22", warn="baseline:v1.23"),
            id="a numbered one too",
        ),
        pytest.param(
            {"enforce": "restricted", "warn": "baseline"}, modes("restricted", warn="baseline"), id="warn says itself"
        ),
        pytest.param({"enforce": "baseline", "warn": "privileged"}, modes("baseline"), id="even that it is off"),
        pytest.param({"audit": "baseline"}, modes(audit="baseline"), id="audit alone"),
        pytest.param({"warn": "restricted"}, modes(warn="restricted"), id="warn alone"),
        pytest.param(
            {"enforce_version": "v1.9"},
            modes("privileged:v1.9"),
            id="a version alone changes no level and no other mode",
        ),
        pytest.param({"audit_version": "v1.9"}, modes(audit="privileged:v1.9"), id="audit's version alone"),
        pytest.param({"warn_version": "v1.9"}, modes(warn="privileged:v1.9"), id="warn's version alone"),
        pytest.param(
            {
                "enforce": "baseline",
                "enforce_version": "v1.20",
                "audit": "restricted",
                "audit_version": "v1.22",
                "warn": "restricted",
                "warn_version": "v1.21",
            },
            modes("baseline:v1.20", "restricted:v1.22", "restricted:v1.21"),
            id="all six",
        ),
    ],
)
def test_labels_over_privileged_defaults(given: dict[str, str], expected: Modes) -> None:
    assert labelled(labels(**given) | {"team": "a"}, Modes()) == (expected, ())


@pytest.mark.parametrize(
    "given,expected",
    [
        pytest.param({}, modes("baseline:v1.24", "restricted:v1.25", "restricted:v1.26"), id="defaults stand"),
        pytest.param(
            {"enforce": "restricted"},
            modes("restricted:v1.24", "restricted:v1.25", "restricted:v1.26"),
            id="a level keeps the default's version; warn is as strict already",
        ),
        pytest.param(
            {"enforce": "privileged"},
            modes("privileged:v1.24", "restricted:v1.25", "restricted:v1.26"),
            id="relaxing enforce relaxes nothing else",
        ),
        pytest.param(
            {"audit": "privileged", "warn": "baseline"},
            modes("baseline:v1.24", "privileged:v1.25", "baseline:v1.26"),
            id="each on its own",
        ),
    ],
)
def test_labels_over_other_defaults(given: dict[str, str], expected: Modes) -> None:
    defaults = modes("baseline:v1.24", "restricted:v1.25", "restricted:v1.26")
    assert labelled(labels(**given), defaults) == (expected, ())


def test_warn_rises_above_a_default_that_is_weaker() -> None:
    defaults = modes("privileged", "privileged", "baseline:v1.20")
    assert labelled(labels(enforce="restricted"), defaults).modes == modes("restricted", warn="restricted")
    assert labelled(labels(enforce="restricted", warn_version="v1.9"), defaults).modes.warn == policy("restricted:v1.9")
    assert labelled(labels(enforce="baseline"), defaults).modes.warn == policy("baseline:v1.20")


def test_warn_does_not_follow_a_default_that_no_label_confirms() -> None:
    defaults = modes("restricted:v1.24")
    assert labelled({"team": "a"}, defaults).modes == defaults
    assert labelled(labels(enforce_version="v1.30"), defaults).modes == modes("restricted:v1.30")


@pytest.mark.parametrize(
    "given,expected",
    [
        pytest.param({"enforce": "foo"}, modes("restricted"), id="enforce fails closed, and warn does not follow it"),
        pytest.param({"enforce": ""}, modes("restricted"), id="an empty level is none"),
        pytest.param({"audit": "foo"}, modes(), id="audit fails open"),
        pytest.param({"warn": "foo"}, modes(), id="warn fails open"),
        pytest.param(
            {"enforce": "baseline", "warn": "foo"}, modes("baseline"), id="a warn that means nothing does not follow"
        ),
        pytest.param(
            {"enforce": "baseline", "enforce_version": "v9"},
            modes("baseline:latest", warn="baseline:latest"),
            id="a version that means nothing is latest, and enforce still leads warn",
        ),
        pytest.param(
            {"enforce": "baseline", "enforce_version": "v1.5", "warn_version": "x"},
            modes("baseline:v1.5", warn="baseline:latest"),
            id="so for warn",
        ),
        pytest.param({"audit": "baseline", "audit_version": "x"}, modes(audit="baseline"), id="so for audit"),
    ],
)
def test_what_means_nothing_fails_closed_for_enforce_and_open_for_the_others(
    given: dict[str, str], expected: Modes
) -> None:
    found = labelled(labels(**given), Modes())
    assert found.modes == expected
    assert found.errors


def test_what_means_nothing_also_replaces_stricter_defaults() -> None:
    defaults = modes("baseline:v1.1", "restricted:v1.2", "restricted:v1.3")
    found = labelled(labels(enforce="x", audit="x", warn="x", audit_version="x"), defaults)
    assert found.modes == modes("restricted:v1.1", "privileged:latest", "privileged:v1.3")


def test_every_error_names_its_label_its_value_and_what_is_allowed() -> None:
    given = labels(enforce="e", enforce_version="ev", audit="a", audit_version="av", warn="w", warn_version="wv")
    assert labelled(given, Modes()).errors == tuple(
        (label, given[label], VERSION_REASON if label.endswith("-version") else LEVEL_REASON) for label in LABELS
    )


@pytest.mark.parametrize(
    "given,nothing",
    [
        (modes(), True),
        (modes("privileged:v1.1", "privileged:v1.2", "privileged:v1.3"), True),
        (modes("baseline"), False),
        (modes(audit="baseline"), False),
        (modes(warn="restricted"), False),
    ],
)
def test_privileged_modes_judge_nothing(given: Modes, nothing: bool) -> None:
    decision = judge(request(POD, object="no pod"), snapshot(defaults=given), Facts())
    assert decision.allowed is nothing


def test_a_namespace_that_says_nothing_is_privileged() -> None:
    assert Modes() == Modes(PRIVILEGED, PRIVILEGED, PRIVILEGED)
    assert str(PRIVILEGED) == "privileged:latest"


def test_rules_of_a_version() -> None:
    table: Any = {Level.BASELINE: ("b0", "b1"), Level.RESTRICTED: ("r0", "r1", "r2")}
    by = Snapshot(rules=table)
    found = {text: by.rules_of(policy(text)) for text in ("baseline:v1.0", "baseline:v1.1", "restricted:v1.1")}
    assert found == {"baseline:v1.0": "b0", "baseline:v1.1": "b1", "restricted:v1.1": "r1"}


def test_versions_beyond_the_newest_use_the_newest() -> None:
    table: Any = {Level.RESTRICTED: ("r0", "r1", "r2")}
    by = Snapshot(rules=table)
    for text in ("restricted", "restricted:v1.2", "restricted:v1.3", "restricted:v1.9999"):
        assert by.rules_of(policy(text)) == "r2"


def test_nothing_runs_at_privileged_or_without_rules() -> None:
    assert snapshot().rules_of(policy("privileged")) == ()
    assert snapshot().rules_of(policy("privileged:v1.5")) == ()
    assert Snapshot(rules={}).rules_of(policy("restricted")) == ()

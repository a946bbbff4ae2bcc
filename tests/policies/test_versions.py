"""Policy versions: what changed when, judged on both sides of every boundary."""

from __future__ import annotations

import pytest

from app.catalog import catalog, pod_of_example
from app.core.check import Check
from app.core.evaluate import evaluate
from app.core.plan import Rule, Snapshot
from app.core.version import Level, LevelVersion, Version
from tests.policies.examples import CHECKS, EXAMPLES, NEWEST, decoded, name_of

BOUNDARIES = {
    "allow-privilege-escalation": (8, 25),
    "app-armor-profile": (0,),
    "capabilities-baseline": (0,),
    "capabilities-restricted": (22, 25),
    "host-namespaces": (0,),
    "host-path-volumes": (0,),
    "host-ports": (0,),
    "host-probes-and-lifecycle": (34,),
    "privileged": (0,),
    "proc-mount": (0, 35),
    "proc-mount-restricted": (35,),
    "restricted-volumes": (0,),
    "run-as-non-root": (0, 35),
    "run-as-user": (23, 35),
    "se-linux-options": (0, 31),
    "seccomp-profile-baseline": (0, 19),
    "seccomp-profile-restricted": (19, 25),
    "sysctls": (0, 27, 29, 32, 37),
    "windows-host-process": (0,),
}
"""Minor versions in which Kubernetes introduced or changed a control (Pod Security Standards, and KEP-2579)."""

PODS = [decoded(pod_of_example(example)) for _, example in EXAMPLES]
SNAPSHOT = Snapshot(rules=catalog().rules)


def test_boundaries_are_those_of_the_standards() -> None:
    assert {check.id: tuple(int(since.version[3:]) for since in check.versions) for check in CHECKS} == BOUNDARIES


def rules(level: Level, version: str) -> tuple[Rule, ...]:
    return SNAPSHOT.rules_of(LevelVersion(level, Version.parse(version)))


def judged(check: Check, minor: int) -> list[tuple[str, ...]]:
    """What one check says about every example's pod, where it runs at its own level."""
    finds = [since.find for other, since in rules(check.level, f"v1.{minor}") if other is check]
    return [tuple(finding.path for find in finds for finding in find(pod)) for pod in PODS]


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_a_check_changes_at_its_boundaries_and_nowhere_else(check: Check) -> None:
    by_minor = [judged(check, minor) for minor in range(NEWEST + 2)]
    changes = tuple(minor for minor in range(1, NEWEST + 2) if by_minor[minor] != by_minor[minor - 1])
    assert set(changes) == set(BOUNDARIES[check.id]) - {0}
    assert any(by_minor[BOUNDARIES[check.id][0]])
    if BOUNDARIES[check.id][0]:
        assert not any(by_minor[BOUNDARIES[check.id][0] - 1])


@pytest.mark.parametrize("level", [Level.BASELINE, Level.RESTRICTED])
def test_latest_is_the_newest(level: Level) -> None:
    assert rules(level, "latest") == rules(level, f"v1.{NEWEST}") == rules(level, "v1.999")
    assert rules(level, f"v1.{NEWEST - 1}") != rules(level, "latest")


OVERRIDES = [
    ("capabilities-restricted", "capabilities-baseline", 22),
    ("seccomp-profile-restricted", "seccomp-profile-baseline", 19),
    ("restricted-volumes", "host-path-volumes", 0),
    ("proc-mount-restricted", "proc-mount", 35),
]


@pytest.mark.parametrize("strong,weak,minor", OVERRIDES)
def test_a_restricted_check_takes_over_from_a_weaker_one(strong: str, weak: str, minor: int) -> None:
    for version, running in enumerate(catalog().rules[Level.RESTRICTED]):
        ids = {check.id for check, _ in running}
        assert (strong in ids) is (version >= minor)
        assert (weak in ids) is (version < minor)
    assert all(weak in {check.id for check, _ in running} for running in catalog().rules[Level.BASELINE])


def test_nothing_else_is_left_out() -> None:
    told = {(strong, weak) for strong, weak, _ in OVERRIDES}
    assert {(check.id, weak) for check in CHECKS for since in check.versions for weak in since.overrides} == told
    assert all(
        {weak for since in check.versions for weak in since.overrides} in ({*since.overrides}, set())
        for check in CHECKS
        for since in check.versions
    )


@pytest.mark.parametrize("minor", range(NEWEST + 1))
def test_restricted_refuses_whatever_baseline_refuses(minor: int) -> None:
    weak, strong = rules(Level.BASELINE, f"v1.{minor}"), rules(Level.RESTRICTED, f"v1.{minor}")
    refused = [pod for pod in PODS if not evaluate(weak, pod).clean]
    assert refused
    assert [pod for pod in refused if evaluate(strong, pod).clean] == []

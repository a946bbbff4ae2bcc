"""The examples of the shipped checks, and what the checks say about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from app.catalog import catalog, pod_of_example
from app.core.check import Check, Example
from app.core.evaluate import Verdict, evaluate
from app.core.finding import Finding
from app.core.plan import Snapshot
from app.core.pod import Pod
from app.core.target import pod_object, view
from app.core.version import Level, LevelVersion, Version

CHECKS: Final = catalog().checks
NEWEST: Final = catalog().newest
EXAMPLES: Final = tuple((check, example) for check in CHECKS for example in (*check.good, *check.bad))
BAD: Final = tuple((check, example) for check in CHECKS for example in check.bad)
_SNAPSHOT: Final = Snapshot(rules=catalog().rules)


def name_of(value: object) -> str:
    """Test ids: the check's and the example's."""
    return value.id if isinstance(value, Check) else value.title if isinstance(value, Example) else str(value)


def decoded(pod: dict[str, Any]) -> Pod:
    """A pod as the checks see it."""
    return view(pod_object(msgspec.json.encode(pod), "example"))


def verdict(pod: dict[str, Any], level: Level, version: str) -> Verdict:
    """What all rules of a level and version say about a pod."""
    return evaluate(_SNAPSHOT.rules_of(LevelVersion(level, Version.parse(version))), decoded(pod))


def found(check: Check, pod: dict[str, Any], version: str) -> list[Finding]:
    """What one check finds in a pod under a policy version, whether it runs then or not."""
    minor = Version.parse(version).minor
    find = None
    for since in check.versions:
        if minor is None or int(since.version.removeprefix("v1.")) <= minor:
            find = since.find
    return [] if find is None else list(find(decoded(pod)))


def findings_of_examples() -> Iterator[tuple[Check, Example, Finding]]:
    """Every finding in every bad example."""
    for check, example in BAD:
        for finding in found(check, pod_of_example(example), example.version):
            yield check, example, finding

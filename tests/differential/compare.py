"""The comparison of two verdicts, and the only differences that are meant to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

from tests.differential.reviews import CONTROLLERS, Case
from tests.differential.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Intended:
    """A difference on purpose: where it occurs, which fields of the verdicts may differ there, and why."""

    name: str
    why: str
    fields: frozenset[str]
    applies: Callable[[Case, Verdict, Verdict], bool]


def _is_controller(case: Case) -> bool:
    kind: object = case.review["request"]["kind"]["kind"]
    return kind in CONTROLLERS


INTENDED: Final[tuple[Intended, ...]] = (
    Intended(
        "undecodable controller",
        "The reference lets a controller pass that it cannot decode, and only notes an error; Pratique denies what it"
        " cannot read. No API server sends one: it has decoded and encoded the object itself.",
        frozenset({"outcome"}),
        lambda case, theirs, ours: (
            case.kind.startswith("odd")
            and _is_controller(case)
            and theirs.outcome == "allowed with error"
            and ours.outcome == "error"
        ),
    ),
)
"""Every intended difference; `python -m tests.differential` counts how often each one occurred."""


def differences(theirs: Verdict, ours: Verdict) -> frozenset[str]:
    """Names of the fields in which two verdicts differ."""
    if theirs == ours:
        return frozenset()
    return frozenset(
        field.name for field in fields(Verdict) if getattr(theirs, field.name) != getattr(ours, field.name)
    )


def intended(case: Case, theirs: Verdict, ours: Verdict, found: frozenset[str]) -> str:
    """Name of the intended difference that explains all of `found`, or an empty string."""
    for entry in INTENDED:
        if found <= entry.fields and entry.applies(case, theirs, ours):
            return entry.name
    return ""

from typing import Any

import pytest

from tests.differential.compare import INTENDED, differences, intended
from tests.differential.reviews import Case
from tests.differential.verdict import Verdict, Violations

ALLOWED = Verdict("allowed")
ERROR = Verdict("error")


def case(kind: str, word: str, obj: dict[str, Any] | None = None) -> Case:
    return Case(0, word, 0, {"request": {"kind": {"kind": kind}, "object": obj}}, {})


def test_differing_fields_are_named() -> None:
    privileged = Violations("baseline:latest", frozenset({"privileged"}))
    assert differences(ALLOWED, ALLOWED) == frozenset()
    assert differences(ALLOWED, Verdict("forbidden", enforce=privileged)) == {"outcome", "enforce"}
    other_version = Violations("baseline:v1.0", frozenset({"privileged"}))
    assert differences(Verdict("allowed", warn=privileged), Verdict("allowed", warn=other_version)) == {"warn"}


@pytest.mark.parametrize(
    "subject, theirs, ours, name",
    [
        (case("Job", "odd: type"), Verdict("allowed with error"), ERROR, "undecodable controller"),
        (case("Job", "Job"), Verdict("allowed with error"), ERROR, ""),
        (case("Pod", "odd: type"), Verdict("allowed with error"), ERROR, ""),
        (case("Job", "odd: type"), ALLOWED, ERROR, ""),
        (case("Pod", "odd: null-item"), ALLOWED, ERROR, ""),
        (case("Job", "Job"), Verdict("allowed", label_error=True), ALLOWED, ""),
        (case("Pod", "Pod"), Verdict("allowed", label_error=True), ALLOWED, ""),
        (case("Pod", "Pod"), ALLOWED, Verdict("forbidden"), ""),
    ],
)
def test_only_what_is_listed_is_intended(subject: Case, theirs: Verdict, ours: Verdict, name: str) -> None:
    assert intended(subject, theirs, ours, differences(theirs, ours)) == name


def test_every_entry_says_why() -> None:
    assert all(entry.why.endswith(".") and entry.fields for entry in INTENDED)
    assert len({entry.name for entry in INTENDED}) == len(INTENDED)

"""The exact lengths at which texts are cut, wrapped or counted."""

from __future__ import annotations

import pytest

from app.core import message
from app.core.decision import Decision
from app.core.finding import Finding
from app.core.message import MAX_HEADLINE, MAX_LINE, MAX_TEXT
from tests.unit.core.reviews import answer, policy, request

FINDING = Finding("host-ports", "spec.x", "1", "be 0", "hostPort: 0")


@pytest.mark.parametrize(
    ("sizes", "kept", "more"),
    [
        ([MAX_TEXT], 1, ""),
        ([MAX_TEXT + 1], 0, "... and 1 more, in status.details.causes"),
        ([10, MAX_TEXT - 10, 1], 2, "... and 1 more, in status.details.causes"),
        ([10, MAX_TEXT], 1, "... and 1 more, in status.details.causes"),
        ([10, MAX_TEXT, 1], 1, "... and 2 more, in status.details.causes"),
    ],
)
def test_blocks_are_told_up_to_the_limit_and_then_counted(sizes: list[int], kept: int, more: str) -> None:
    blocks = [str(index) * size for index, size in enumerate(sizes)]
    assert message._text(list(blocks)) == "\n\n".join(blocks[:kept] + ([more] if more else []))


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("a" * 79 + "b", ["a" * 79 + "b"]),
        ("a b" * 20 + " " + "c" * 19, ["a b" * 20 + " " + "c" * 19]),
        ("a" * 40 + " " + "b" * 40, ["a" * 40, "    " + "b" * 40]),
        ("a " + "b" * 100, ["a", "    " + "b" * 100]),
        ("a" * 70 + " " + "b" * 8 + "-" + "c" * 8, ["a" * 70, "    " + "b" * 8 + "-" + "c" * 8]),
    ],
)
def test_lines_wrap_after_eighty_columns_between_words_only(line: str, lines: list[str]) -> None:
    assert message._wrapped(line).split("\n") == lines


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["a"], 'container "a"'),
        (["a", "b"], 'containers "a", "b"'),
        (["a", "b", "c"], 'containers "a", "b" and 1 more'),
        ([], ""),
    ],
)
def test_names_are_listed_up_to_the_limit_and_then_counted(names: list[str], listed: str) -> None:
    assert message._listed("container", dict.fromkeys(names), 2) == listed


def test_a_headline_names_as_many_checks_as_fit() -> None:
    checks = [letter * 39 for letter in "abcdef"]
    told = message._headline("x", policy("baseline"), checks)
    assert told == f'x 6 rules of Pod Security "baseline:latest": {", ".join(checks[:4])} and 2 more'
    assert len(told) < MAX_HEADLINE


@pytest.mark.parametrize(("length", "named"), [(0, 5), (1, 4), (-1, 5)])
def test_a_headline_of_exactly_the_limit_fits(length: int, named: int) -> None:
    checks = [letter * 20 for letter in "abcde"]
    rest = message._headline("", policy("baseline"), checks)
    told = message._headline("x" * (MAX_HEADLINE - len(rest) + length), policy("baseline"), checks)
    assert [check for check in checks if check in told] == checks[:named]


@pytest.mark.parametrize("length", [257, MAX_LINE])
def test_paths_rules_and_fixes_are_told_in_full_up_to_their_own_limit(length: int) -> None:
    long = FINDING._replace(path="p" * length, expected="e" * (length - 7), fix="f" * (length - 7))
    told = message.tell((long,)).text
    for part in (long.path, long.expected, long.fix):
        assert part in told.replace("\n", "")


def test_an_error_is_annotated_beyond_the_length_of_a_warning() -> None:
    decision = Decision(request=request(), allowed=True, error="e" * 300)
    assert answer(decision)["auditAnnotations"]["error"] == "e" * 300

"""The same text means the same to us and to the library in kubectl: hand-picked probes and made-up documents.

The rule: what we read, kubectl reads as the same value. What we refuse, kubectl refuses in its strict reading, but
for what is listed in `stricter`, where kubectl would drop or mix up what somebody wrote.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config.composer import MAX_DEPTH
from app.config.yaml import YamlError, documents
from tests.kube.go import ToolchainError
from tests.unit.config.reference import Reference

pytestmark = pytest.mark.property

WORDS = """y Y n no No NO nO yes on ON oN off true TRUE tRUE null Null ~ NULL nul 0 00 07 08 09 010 0o10 0O7 0x1F 0X1f
0b101 0B1 -0b1 0b-1 0b+1 -0b-1 -0o7 +1 -1 + - 1_000 1__2 _1 1_ 1. 1.0 .5 -.5 +.5 . .. 1e3 1e+3 1E-3 1e 1e400 -1e400
1e-400 .inf -.inf +.Inf .nan +.nan .iNf inf NaN Infinity 1:30 1:30:45 190:20:30.15 2001-01-01 2001-1-1 2001-13-45
2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 0.0 -0.0 -0 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 +9223372036854775808 1e20 1e21
123456789.5 1e-7 0x 0o 0b 0o8 0b2 0xg 0x1p3 1_0.5 .5e3 .5_5 .5__5 12e03 = << a~ ~a !x http://a:b foo#bar 0777 0.1
1.5e300 3.4028236e38 16777217.0 a,b 1,000 'x' "1" '1' "\\x41\\u00e9" "\\0" "\\U0001F600" "\\ud800" |- > @a `a %a *b &a
9007199254740993.0 9223372036854774784.0 -9223372036854775807.0 123e18""".split()  # noqa: SIM905 - a hundred quoted words would be hard to read
TAGS = ("", "!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "! ", "!foo ", "!!merge ", "!!map ")
SHAPES = ("a: %s", "- %s", "{a: %s}", "[%s]", "%s: v", "? %s\n: v", "%s", " - %s # c\n", "{%s}", "a: '%s'", 'a: "%s"')
WHOLE = [
    "a: &x {k: 1}\nb: {<<: *x, k: 2}",
    "a: &x {k: 1}\nb: {k: 2, <<: *x}",
    "a: {<<: [{k: 1}, {k: 2, j: 3}]}",
    "a: {<<: {k: 1}, <<: {j: 2}}",
    "<<: 1",
    "m: &x {k: 1}\n&x <<: *x",
    "m: &x {k: 1}\n&y <<: *x\na: *y",
    "a: &n 1e6\nb: *n\n*n : c",
    "&n a: &m [&n 1, *n]\nb: [*n, *m]",
    "a: &a [*a]",
    "a: *b",
    "a: 1\na: 2",
    "a: |\n  x\n   y\n\n  z\n",
    "a: >\n  x\n   y\n\n  z\n",
    "a: >-\n  x\n  y\n\n\n  z\n",
    "a: |+\n  x\n\n\nb: 1",
    "a: |2\n   x\n",
    "a:\tb",
    "a:\n\tb",
    "a: b\t# c",
    "- \ta",
    "{a: 1,\n\tb: 2}",
    "{a:1, b: [x:y], c: http://x:80}",
    "? a\n? b\n",
    "- - - a\n    - b\n- ? c\n  : d",
    "a: 'it''s'\nb: \"x\\\n  y\"\nc: \"x\n\n  y\"",
    "a: {b}\nc: [d: e, {f: g}]",
    "\ufeffa: 1",
    "a: 1\n...\n",
    "# only a comment",
    "",
    "a: 1\r\nb: 2\r\n",
    "a: 1\rb: 2",
    "a: \u0085b",
    "a: x\u2028y",
    "{}",
    "[]",
    "a: !!binary |\n  aGVs\n  bG8=\n",
    "a: !!binary '/+8='",
    "a: !!binary '4oK'",
    "a: [1, 2,]",
    "a: [,]",
    "'a'b: 1",
    "a: 'b' c",
    "a: %x",
    "a: -",
    "a: ?",
    "a: :",
    "a: ,",
    "- -\n- ?\n- :\n",
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    try:
        process = Reference(tmp_path_factory.mktemp("yamlref"))
    except (ToolchainError, subprocess.SubprocessError) as cause:
        pytest.skip(f"no Go to build sigs.k8s.io/yaml with: {cause}")
    with process:
        yield process


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


STRICTER = (
    "is given twice",  # keys that only become equal as text, such as 1 and "1"
    "a byte order mark inside the text",  # go-yaml takes it for text
    "did not find expected <document start>",  # go-yaml reads one node and ignores the rest
    "kubectl ignores what follows the end of a document",
    "did not find expected whitespace or line break",  # libyaml is stricter about tags
    "did not find expected tag URI",
    "a comma directly behind the tag",  # which would be part of it
    f"nested more than {MAX_DEPTH} levels deep",
)


def stricter(text: str, refusal: str) -> bool:
    """Whether a refusal of ours is meant, though kubectl reads the text."""
    if any(expected in refusal for expected in STRICTER):
        return True
    if re.search(r"(^|[\n\r\x85\u2028\u2029])(\.\.\.|---)", text):
        return True  # broken text behind the end of the document, which kubectl does not look at
    # A whole flow collection or quoted word in front of more text: go-yaml reads that node only.
    return bool(re.match(r"\s*[\[{'\"&!]", text))


def ours(text: str) -> tuple[Any, str | None]:
    """The value, or why there is none."""
    try:
        found = list(documents(text))
    except YamlError as error:
        return None, error.problem
    assert len(found) <= 1
    return (found[0].value if found else None), None


def compare(reference: Reference, text: str) -> None:
    theirs = reference.read(text)
    value, refusal = ours(text)
    if refusal is not None:
        assert "error" in theirs or "strict" in theirs or stricter(text, refusal), f"{text!r}: {refusal}"
        return
    if "error" in theirs and "\\/" in text and "unknown escape" in theirs["error"]:
        return  # libyaml knows JSON's escaped slash; kubectl refuses the file loudly
    assert "error" not in theirs, f"{text!r}: {theirs} but {value!r}"
    assert same(value, theirs.get("json")), f"{text!r}: {theirs} but {value!r}"


@pytest.mark.parametrize("shape", SHAPES)
def test_words_in_all_places_and_with_all_tags(reference: Reference, shape: str) -> None:
    for tag, word in itertools.product(TAGS, WORDS):
        compare(reference, shape % (tag + word))


@pytest.mark.parametrize("text", WHOLE)
def test_whole_documents(reference: Reference, text: str) -> None:
    compare(reference, text.replace("\r\n", "\n"))  # kubectl's line reader removes carriage returns before newlines


numbers = st.one_of(
    st.integers().map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 2**66).flatmap(lambda n: st.sampled_from([f"{n:#x}", f"{n:#o}", f"{n:#b}", f"0{n:o}", f"{n:_}"])),
    st.floats().map(repr),
    st.floats(width=32).map(repr),
    st.from_regex(r"[-+]?[0-9._]{1,6}([eE][-+]?[0-9_]{1,3})?", fullmatch=True),
    st.text("0123456789.eE+-_xob:", min_size=1, max_size=8),
)


@settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers)
def test_numbers(reference: Reference, word: str) -> None:
    compare(reference, f"- {word}")
    compare(reference, f"a: {word}")
    compare(reference, f"{word}: a")


FRAGMENTS = (
    *("a", "b", "c: ", "a: ", "- ", "-", "\n", "\n  ", "\n    ", "\n ", "  ", " ", "{", "}", "[", "]", ",", ", ", ":"),
    *(": ", "#x", " # y", "\t", "|\n", "|-\n", ">\n", ">+\n", "|2\n", "'", '"', "''", "? ", "?", "&x ", "*x", "*x "),
    *("<<: ", "<<: *x", "!!str ", "!t ", "...\n", "%", "@", "`", "x y", "\\n", "\\", "\r", "\u00e9", "\u2028", "\x85"),
    *("\ufeff", "1", "1.0", "~", "k: v\n", "k2:\n  - a\n  - b\n", "{a: 1}", "[1, 2]", "http://x:80", "-1", "--", "="),
    *("!", "!!binary aGk=", "'it''s'", '"q"', "a b: c d\n", "m: &x {k: 1, j: [2]}\n"),
)


@settings(deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join))
def test_soup(reference: Reference, text: str) -> None:
    if not re.search(r"(^|\n)---", text):  # where kubectl cuts the stream
        compare(reference, text)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.sampled_from(WORDS) | st.text(max_size=5).map(repr),
        lambda inner: (
            st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
            | st.lists(st.tuples(st.sampled_from("abcdefgh"), inner), max_size=4, unique_by=lambda pair: pair[0]).map(
                lambda pairs: "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
            )
        ),
        max_leaves=12,
    )
)
def test_structures(reference: Reference, text: str) -> None:
    compare(reference, f"top: {text}")


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 6, 7, 9])
def test_alias_bombs(reference: Reference, levels: int) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    text = "\n".join(lines)
    theirs = reference.read(text)
    value, refusal = ours(text)
    if refusal is None:
        assert same(value, theirs["json"])
    else:
        assert refusal == "aliases make the document too large"
        assert "excessive aliasing" in theirs["error"]

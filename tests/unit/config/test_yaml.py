"""YAML as kubectl reads it: words, keys, merges, streams, lists, limits, and errors with positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.config.composer import MAX_DEPTH
from app.config.yaml import Document, YamlError, documents, objects, place, read_file
from app.errors import ConfigError


def value(text: str | bytes) -> Any:
    (document,) = documents(text)
    return document.value


def refusal(text: str | bytes) -> str:
    with pytest.raises(YamlError) as caught:
        list(documents(text, "f"))
    return caught.value.summary


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
        *((word, False) for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL", "!!null ''")),
        *((word, word) for word in ("yEs", "nO", "oN", "tRUE", "nULL", "yess", "1:30", "190:20:30.15")),
        *((word, word) for word in ("2001-01-01", "2001-12-14t21:59:43.10-05:00", "1.2.3", "+", ".")),
        *(
            (word, 8)
            for word in ("8", "010", "0o10", "0O10", "08", "0b1000", "0x8", "+8", "8.0", "8.", "0_1_0", "80e-1")
        ),
        *((word, -8) for word in ("-8", "-010", "-0o10", "-0b1000", "0b-1000")),
        ("1_", 1),
        ("_1", "_1"),
        ("0x", "0x"),
        ("0o8", "0o8"),
        ("0.5", 0.5),
        (".5", 0.5),
        ("+.5", 0.5),
        (".5_5", 0.55),
        (".5__5", ".5__5"),
        ("1e3", 1000),
        ("1e-3", 0.001),
        ("1e400", "1e400"),
        ("-0", 0),
        ("-0.0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -(2.0**63)),
        ("18446744073709551616", 2.0**64),
        ("1" * 400, "1" * 400),
        ("1e20", 1e20),
        ("9007199254740993.0", 9007199254740992),
        ("9223372036854774784.0", 9223372036854775000),  # Go writes the shortest digits, then zeros
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 12", 12),
        ("!!bool yes", True),
        ("!!binary aGk=", "hi"),
        ("!!binary '/+8='", "\ufffd\ufffd"),
        ("!!timestamp 2001-01-01", "2001-01-01"),
        ("! 12", "12"),
        ("!mine 12", "12"),
        ("[!mine 12 , 13]", ["12", 13]),
        ("'12'", "12"),
        ('"yes"', "yes"),
        ("|-\n  yes", "yes"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_words(word: str, meaning: object) -> None:
    found = value(f"- {word}")[0]
    assert (type(found), found) == (type(meaning), meaning)


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("1", "1"),
        ("0x10", "16"),
        ("on", "true"),
        ("n", "false"),
        ("1.0", "1"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e6", "1e+06"),
        ("123456.0", "123456"),
        ("1234567.0", "1.234567e+06"),
        ("1e-4", "0.0001"),
        ("1e-5", "1e-05"),
        ("-1.5e-7", "-1.5e-07"),
        ("16777217.0", "1.6777216e+07"),
        ("1e300", ".inf"),
        ("-1e300", "-.inf"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2001-01-01", "2001-01-01"),
        ("'on'", "on"),
        ("!!str on", "on"),
        ("''", ""),
    ],
)
def test_keys_become_text(key: str, meaning: str) -> None:
    assert value(f"{key}: x") == {meaning: "x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f:4:3: key `c` is given twice, first on line 3"),
        ("a: 1\n'a': 2", "f:2:1: key `a` is given twice, first on line 1"),
        ("1: a\n'1': b", "f:2:1: key `1` is given twice, first on line 1"),
        ("a: .inf", "f:1:4: `.inf` cannot be written as JSON, so Kubernetes has no such value"),
        ("a: [-.inf]", "f:1:5: `-.inf` cannot be written as JSON, so Kubernetes has no such value"),
        ("a: .nan", "f:1:4: `.nan` cannot be written as JSON, so Kubernetes has no such value"),
        ("~: 1", "f:1:1: null cannot be a key"),
        ("18446744073709551615: 1", "f:1:1: `18446744073709551615` is too large for a key"),
        ("? [a]\n: b", "f:1:3: a key must be a single word, not a mapping or sequence"),
        ("a: &a {b: 1}\n*a : 1", "f:2:1: a key must be a single word, not a mapping or sequence"),
        ("a: &a ~\n*a : 1", "f:2:1: null cannot be a key"),
        ("a: *b", "f:1:4: `*b` refers to an anchor that does not exist"),
        ("a: &a [*a]", "f:1:8: anchor `&a` contains itself"),
        ("<<: 1", "f:1:5: `<<` merges a mapping or a sequence of mappings"),
        ("<<: [{a: 1}, 2]", "f:1:15: `<<` merges a mapping or a sequence of mappings"),
        ("a: &a [{b: 1}]\nc: {<<: *a}", "f:2:9: `<<` merges a mapping or a sequence of mappings"),
        ("a: !!int x", "f:1:4: `x` is not a int, which its tag says it is"),
        ("a: !!int " + "x" * 50, f"f:1:4: `{'x' * 37}...` is not a int, which its tag says it is"),
        ("a: &a 18446744073709551615\n*a : 1", "f:2:1: `18446744073709551615` is too large for a key"),
        ("- [&a [b, &c [*a]]]", "f:1:15: anchor `&a` contains itself"),
        ("a: !!binary '*'", "f:1:4: `!!binary` text is not base64"),
        ("a: !!timestamp x", "f:1:4: `x` is not a timestamp, which its tag says it is"),
        (
            "a:\n\t- b",
            "f:2:1: found character that cannot start any token; YAML is indented with spaces, and this is a tab",
        ),
        ("a: b: c", "f:1:5: mapping values are not allowed in this context"),
        ("a: 'b\nc", "f:2:2: found unexpected end of stream while scanning a quoted scalar that starts at line 1"),
        ("a: 1\n---\nb: [", "f:4:1: did not find expected node content"),
        ("a: 1\n--- b", "f:2:4: nothing but a comment may follow `---` on its line for kubectl, found `b`"),
        ("a: 1\n...\nb", "f:3:1: did not find expected <document start>"),
        ("a: 1\n...\n%YAML 1.1\n \n---\n", "f:5:1: did not find expected <document start>"),
        ("a: \x01", "f:1:4: character U+0001 is not allowed in YAML"),
        ("a: 1\nbé: \x7f", "f:2:5: character U+007F is not allowed in YAML"),
        ("a: 1\n\ufeffb: 2", "f:2:1: a byte order mark inside the text; remove it"),
        ("\ufeff\ufeffa: 1", "f:1:1: a byte order mark inside the text; remove it"),
        ("a: [b, !x, c]", "f:1:8: a comma directly behind the tag `!x,`; put a space between"),
        ("a: [b, &a !!map, c]", "f:1:8: a comma directly behind the tag `!!map,`; put a space between"),
        ("[" * (MAX_DEPTH + 1), f"f:1:{MAX_DEPTH + 1}: nested more than {MAX_DEPTH} levels deep"),
        (b"a: 1\n\xc3\xa9b: \xff", "f:2:5: byte 0xff is not UTF-8"),
        (b"\xff\xfea\0", "f:1:1: the file is UTF-16; save it as UTF-8"),
        (b"\xfe\xff\0a", "f:1:1: the file is UTF-16; save it as UTF-8"),
    ],
)
def test_refusals(text: str | bytes, told: str) -> None:
    assert refusal(text).startswith(told)


def test_an_error_carries_its_position() -> None:
    with pytest.raises(YamlError) as caught:
        list(documents("a: 1\na: 2", "f.yaml"))
    error = caught.value
    assert (error.source, error.line, error.column) == ("f.yaml", 2, 1)
    assert isinstance(error, ConfigError)
    assert place("f", 0, 0) == "f"
    assert place("f", 3, 0) == "f:3"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a: &x {k: 1}\nb: {<<: *x, j: 2}", {"a": {"k": 1}, "b": {"k": 1, "j": 2}}),
        ("a: &x {k: 1}\nb: {<<: *x, k: 2}", {"a": {"k": 1}, "b": {"k": 2}}),
        ("a: &x {k: 1}\nb: {k: 2, <<: *x}", {"a": {"k": 1}, "b": {"k": 1}}),  # go-yaml v2, not the specification
        ("a: {<<: [{k: 1}, {k: 2, j: 3}]}", {"a": {"k": 1, "j": 3}}),
        ("a: {<<: {k: 1}, <<: {j: 2}}", {"a": {"k": 1, "j": 2}}),
        ("a: {'<<': {k: 1}}", {"a": {"<<": {"k": 1}}}),
        ("a: {!!merge '<<': {k: 1}}", {"a": {"k": 1}}),
        ("a: &n 1e6\nb: *n\n*n : c", {"a": 1000000, "b": 1000000, "1e+06": "c"}),
        ("a: &n 1\nb: &n 2\nc: *n", {"a": 1, "b": 2, "c": 2}),
        ("&n a: &m [&n 1, *n]\nb: [*n, *m]", {"a": [1, 1], "b": [1, [1, 1]]}),
        ("- &a\n- *a\n- &b ''\n- *b", [None, None, "", ""]),
    ],
)
def test_anchors_and_merges(text: str, meaning: object) -> None:
    assert value(text) == meaning


def test_aliases_are_copies() -> None:
    found = value("a: &x {k: [1]}\nb: *x")
    found["b"]["k"].append(2)
    assert found["a"] == {"k": [1]}


def bomb(levels: int, width: int = 10) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_alias_bombs_are_refused() -> None:
    assert value(bomb(3))
    assert refusal(bomb(9)).endswith("aliases make the document too large")


def test_aliases_cannot_nest_deeper_than_text_can() -> None:
    deep = "[" * 300 + "]" * 300
    assert value(f"a: &a {deep}\nb: *a")
    open_, close = "[" * 299, "]" * 299
    assert "nested more than" in refusal(f"a: &a {deep}\nb: {open_}*a{close}")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_streams(ending: str) -> None:
    text = "\ufeff# first\n---\na: 1\n---   # second\n\n---\n\nb: |\n  x\n  y\n---\nnull\n---\n- 1\n".replace(
        "\n", ending
    )
    found = list(documents(text.encode(), "f"))
    assert [document.value for document in found] == [{"a": 1}, {"b": "x\ny\n"}, [1]]
    assert [document.line for document in found] == [3, 8, 14]


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "---", "---\n---\n", "~", "null", "\ufeff"])
def test_streams_without_documents(text: str) -> None:
    assert list(documents(text)) == []


def test_documents_before_an_error_are_given() -> None:
    stream = documents("a: 1\n---\na: [", "f")
    assert next(stream).value == {"a": 1}
    with pytest.raises(YamlError):
        next(stream)


def test_anchors_end_with_their_document() -> None:
    assert refusal("a: &a 1\n---\nb: *a") == "f:3:4: `*a` refers to an anchor that does not exist"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            '{"a": 1.0, "b": "\\ud83d\\ude00\\/"}\n{"c": [1e3, 0.5, null]}',
            [{"a": 1, "b": "😀/"}, {"c": [1000, 0.5, None]}],
        ),
        ('{"a": 18446744073709551615, "b": 123456789012345678901234}', [{"a": 2.0**64, "b": 1.2345678901234568e23}]),
        ("\n\n {}", [{}]),
        ('{"a": 1}\n---\nb: 2', [{"a": 1}, {"b": 2}]),
        ("{a: 1}", [{"a": 1}]),
        ('{\n\t"a": 1\n}', [{"a": 1}]),
    ],
)
def test_json(text: str, values: list[object]) -> None:
    assert [document.value for document in documents(text)] == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "f:1:10: key `a` is given twice, first on line 1"),
        ('{"a": NaN', "f:2:1: did not find expected ',' or '}' while parsing a flow mapping that starts at line 1"),
        ('{"a":' * 600 + "1" + "}" * 600, "nested more than"),
        ('{"a": [' + "[" * 100_000, "nested more than"),
    ],
)
def test_json_refusals(text: str, told: str) -> None:
    assert told in refusal(text)


def test_json_lines() -> None:
    found = list(documents('{"a": 1}\n\n{"b": {\n}}\n{"c": 1}'))
    assert [document.line for document in found] == [1, 3, 5]


def test_positions() -> None:
    text = "# c\n---\na: 1\nb:\n- x\n-  {c: 1,  d: &d [2, 3]}\ne: *d\nf: {<<: {g: 1}}\n"
    (document,) = documents(text, "f", locate=True)
    places = {
        ("a",): (3, 1),
        ("b",): (4, 1),
        ("b", 0): (5, 3),
        ("b", 1): (6, 4),
        ("b", 1, "d"): (6, 12),
        ("b", 1, "d", 1): (6, 22),
        ("e", 0): (6, 19),  # where the alias's items stand
        ("f", "g"): (8, 1),  # merged: the nearest that was written
        ("a", "absent"): (3, 1),
        ("b", 7): (4, 1),
    }
    assert {path: document.find(path) for path in places} == places
    assert document.find(("absent",)) is None
    assert document.where(("b", 1)) == "f:6:4"
    assert document.where(("absent",)) == "f:3"
    assert document.value["b"][1] == {"c": 1, "d": [2, 3]}


def test_positions_in_json() -> None:
    (document,) = documents('{\n  "a": {"b": 1}}', "f", locate=True)
    assert document.where(("a", "b")) == "f:2:9"


def test_objects_of_lists() -> None:
    text = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: a}}
- apiVersion: v1
  kind: PodList
  items: [{metadata: {name: c}}]
- {kind: Pod, metadata: {name: b}}
---
{kind: X, items: null}
---
{kind: X}
"""
    found = list(objects(text, "f", locate=True))
    assert [(document.value.get("apiVersion"), document.value["kind"]) for document in found] == [
        ("v1", "Pod"),
        (None, "Pod"),
        ("v1", "Pod"),
        (None, "X"),
    ]
    assert [document.value.get("metadata", {}).get("name") for document in found] == ["a", "b", "c", None]
    assert [document.line for document in found] == [5, 9, 8, 13]
    assert found[2].where(("metadata", "name")) == "f:8:23"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1", "f:1: a Kubernetes object is a mapping, not a sequence"),
        ("text", "f:1: a Kubernetes object is a mapping, not `text`"),
        ("items: {}", "f:1:1: `items` of a list is a sequence, not a mapping"),
        ("kind: List\nitems:\n- 1", "f:3:3: a Kubernetes object is a mapping, not `1`"),
    ],
)
def test_what_is_no_object(text: str, told: str) -> None:
    with pytest.raises(YamlError) as caught:
        list(objects(text, "f", locate=True))
    assert caught.value.summary == told


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: 1\n---\nb: 2\n")
    assert [document.value for document in read_file(file)] == [{"a": 1}, {"b": 2}]
    with pytest.raises(ConfigError, match="cannot read .*absent: No such file or directory"):
        read_file(tmp_path / "absent")


def test_a_document_shows_no_positions_in_its_repr() -> None:
    assert repr(Document(1, "f", 1, {1: []})) == "Document(value=1, source='f', line=1)"


def test_deep_input_costs_neither_stack_nor_much_time() -> None:
    for text in (
        "[" * 1_000_000,
        "{a: " * 300_000,
        "- " * 300_000,
        "? " * 100_000,
        json.dumps("x" * 10)[:-1] * 100_000,
    ):
        with pytest.raises(YamlError):
            list(documents(text))

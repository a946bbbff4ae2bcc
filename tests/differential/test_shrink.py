from typing import Any

from tests.differential.shrink import shrink


def test_what_does_not_matter_is_left_out() -> None:
    document = {"a": {"b": [1, {"bad": True, "c": "x"}, 3], "d": {}}, "e": [[[]]]}

    def interesting(value: Any) -> bool:
        return any(isinstance(item, dict) and item.get("bad") for item in value.get("a", {}).get("b", []))

    assert shrink(document, interesting) == {"a": {"b": [{"bad": True}]}}


def test_what_cannot_be_left_out_is_emptied() -> None:
    assert shrink({"a": {"b": {"c": 1}}, "n": "long"}, lambda value: "n" in value and "a" in value) == {
        "a": {},
        "n": "",
    }


def test_two_parts_that_need_each_other_stay() -> None:
    document = {"a": [1, 2, 3, 4], "b": {"c": [1], "d": None}}

    def interesting(value: Any) -> bool:
        return 3 in value.get("a", []) and "d" in value.get("b", {})

    assert shrink(document, interesting) == {"a": [3], "b": {"d": None}}


def test_the_document_is_not_changed() -> None:
    document = {"a": [1, {"b": 2}]}
    assert shrink(document, lambda value: True) == {}
    assert document == {"a": [1, {"b": 2}]}


def test_nothing_smaller_is_nothing_changed() -> None:
    document = {"a": [{"b": 0}]}
    assert shrink(document, lambda value: value == document) == document

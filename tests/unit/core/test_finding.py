"""Values from a request are shown as JSON: one line, ASCII, short."""

from __future__ import annotations

import pytest

from app.core.finding import shown


@pytest.mark.parametrize(
    "value,text",
    [
        (None, "not set"),
        (False, "false"),
        (0, "0"),
        ("", '""'),
        ("Unconfined", '"Unconfined"'),
        (["NET_RAW", "a b"], '["NET_RAW", "a b"]'),
        ('a"b\n\x1b[31m\u202e', '"a\\"b\\n\\u001b[31m\\u202e"'),
        ("x" * 78, f'"{"x" * 78}"'),
        ("x" * 79, f'"{"x" * 76}...'),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(shown(value)) <= 80

"""Durations as Go writes them."""

from __future__ import annotations

import pytest

from app.server.duration import seconds_of


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("10s", 10.0),
        ("1s", 1.0),
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1h0m0.5s", 3600.5),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("250us", 0.00025),
        ("1ns", 1e-9),
        ("2m", 120.0),
        ("1s1s", 2.0),
        ("999999999h", 999999999 * 3600.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0",
            "0s",
            "0m0s",
            "10",
            "s",
            "-1s",
            "+1s",
            "1 s",
            " 1s",
            "1s ",
            "1s\n",
            "1d",
            "1S",
            ".5s",
            "1.s",
            "1e3s",
        ),
        *(
            "1s2",
            "x1s",
            "1sx",
            "\u0661s",
            "1\u00b5s",
            "10000000000s",
            "1" * 60 + "s",
            "1s" * 33,
            "0." + "0" * 10 + "1s",
        ),
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert seconds_of(text) is None

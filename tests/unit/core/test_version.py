"""Levels and versions are spelt, ordered and refused as Kubernetes does."""

from __future__ import annotations

import pytest

from app.core.version import LATEST, Level, LevelVersion, Version


@pytest.mark.parametrize("text,minor", [("latest", None), ("v1.0", 0), ("v1.1", 1), ("v1.37", 37), ("v1.10000", 10000)])
def test_versions_are_read_and_written_alike(text: str, minor: int | None) -> None:
    assert Version.parse(text) == Version(minor)
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "foo",
            "v1",
            "v1.",
            "1.1",
            "v2.0",
            "v0.9",
            "v1.01",
            "v1.00",
            "v1.-1",
            "v1.+1",
            "v1.1.1",
            "V1.1",
            "Latest",
        ),
        *("latest ", " latest", " v1.1", "v1.1 ", "v1.1\n", "v1.1x", "v1x1", "v1.1e3", "v1.٣", "v1.²", "v1.1_0"),
    ],
)
def test_other_spellings_are_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=r'^must be "latest" or "v1\.x"$'):
        Version.parse(text)


def test_the_minor_fits_the_integer_of_the_reference() -> None:
    largest = 2**63 - 1
    assert Version.parse(f"v1.{largest}").minor == largest
    for beyond in (f"v1.{largest + 1}", f"v1.1{'0' * 18}9", f"v1.1{'0' * 5000}"):
        with pytest.raises(ValueError, match="must be"):
            Version.parse(beyond)


def test_levels_are_read_by_their_exact_names() -> None:
    assert [Level.parse(name) for name in ("privileged", "baseline", "restricted")] == list(Level)
    for text in ("", "Baseline", "baseline ", "foo", "PRIVILEGED", "none"):
        with pytest.raises(ValueError, match=r"^must be one of privileged, baseline, restricted$") as caught:
            Level.parse(text)
        assert caught.value.__cause__ is None


def test_levels_rise_from_privileged_to_restricted() -> None:
    assert [level.rank for level in (Level.PRIVILEGED, Level.BASELINE, Level.RESTRICTED)] == [0, 1, 2]


def test_a_policy_is_written_as_in_the_audit_annotation() -> None:
    assert str(LevelVersion(Level.RESTRICTED, LATEST)) == "restricted:latest"
    assert str(LevelVersion(Level.BASELINE, Version(24))) == "baseline:v1.24"

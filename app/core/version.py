"""Pod Security levels and policy versions, spelt as Kubernetes spells them.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and KEP-2579.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple, Self

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)  # noqa: TID251 - ours, and linear
_MAX_MINOR = 2**63 - 1
"""Larger minors overflow the integer type of the reference implementation, which refuses them."""


class Level(StrEnum):
    """A Pod Security level, from least to most restrictive."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """0 for privileged, 1 for baseline, 2 for restricted."""
        return _RANK[self]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a level; raises ValueError with the words that Kubernetes uses."""
        try:
            return cls(text)
        except ValueError:
            msg = "must be one of privileged, baseline, restricted"
            raise ValueError(msg) from None


_RANK = {Level.PRIVILEGED: 0, Level.BASELINE: 1, Level.RESTRICTED: 2}


class Version(NamedTuple):
    """A policy version: the minor of `v1.<minor>`, or `latest`.

    `latest` is newer than every numbered version.
    """

    minor: int | None
    """The minor version; None is `latest`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `latest` or `v1.<minor>`; raises ValueError with the words that Kubernetes uses."""
        if text == "latest":
            return cls(None)
        match = _VERSION.fullmatch(text)
        if match is None or len(match[1]) > 19 or int(match[1]) > _MAX_MINOR:
            msg = 'must be "latest" or "v1.x"'
            raise ValueError(msg)
        return cls(int(match[1]))

    def __str__(self) -> str:
        """Give `latest` or `v1.<minor>`."""
        return "latest" if self.minor is None else f"v1.{self.minor}"


LATEST = Version(None)


class LevelVersion(NamedTuple):
    """A level pinned to a version, written `restricted:v1.31`."""

    level: Level
    version: Version

    def __str__(self) -> str:
        """Give the form of the `enforce-policy` audit annotation."""
        return f"{self.level.value}:{self.version}"

"""Which levels apply to a request: Pod Security's namespace labels, defaults and exemptions, as one snapshot.

The rules are those of Kubernetes' own Pod Security Admission (KEP-2579), so that labels and configuration that work
there work here unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from app.core.check import Check, Since
from app.core.images.judge import ImageRules
from app.core.version import LATEST, Level, LevelVersion, Version

PREFIX = "pod-security.kubernetes.io/"
LABELS = tuple(f"{PREFIX}{mode}{suffix}" for mode in ("enforce", "audit", "warn") for suffix in ("", "-version"))
"""The six namespace labels, level before version, in the order in which errors are told."""

PRIVILEGED = LevelVersion(Level.PRIVILEGED, LATEST)


class Modes(NamedTuple):
    """The three modes, each with its own level and version."""

    enforce: LevelVersion = PRIVILEGED
    audit: LevelVersion = PRIVILEGED
    warn: LevelVersion = PRIVILEGED


class LabelError(NamedTuple):
    """A namespace label whose value means nothing."""

    label: str
    value: str
    reason: str


class Labelled(NamedTuple):
    """What a namespace's labels say."""

    modes: Modes
    errors: tuple[LabelError, ...]


Rule = tuple[Check, Since]
"""A check together with the one of its versions that applies."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides a verdict besides the request and the facts; swapped whole, never changed."""

    rules: Mapping[Level, tuple[tuple[Rule, ...], ...]]
    """For each level, the rules that run, by minor version; versions beyond the last use the last."""
    defaults: Modes = field(default_factory=Modes)
    exempt_usernames: frozenset[str] = frozenset()
    exempt_namespaces: frozenset[str] = frozenset()
    exempt_runtime_classes: frozenset[str] = frozenset()
    enforce_controllers: bool = False
    """Refuse a controller whose pods would be refused, where Pod Security Admission only warns."""
    images: ImageRules | None = None
    """Image policies; None where there are none, so that no request pays for them."""

    def rules_of(self, policy: LevelVersion) -> tuple[Rule, ...]:
        """Give the rules that run at a level and version; none at privileged."""
        by_minor = self.rules.get(policy.level)
        if by_minor is None:
            return ()
        minor = policy.version.minor
        return by_minor[-1] if minor is None or minor >= len(by_minor) else by_minor[minor]


def labelled(labels: Mapping[str, str], defaults: Modes) -> Labelled:
    """Read a namespace's labels over the defaults.

    A level that means nothing counts as restricted for enforce, and as privileged for audit and warn; a version that
    means nothing counts as latest. A namespace that enforces more than the default warns at the same level unless told
    otherwise. (KEP-2579, "PodSecurity admission configuration".)
    """
    get = labels.get
    values = tuple([get(label) for label in LABELS])
    hostile = sum(map(len, filter(None, values))) > _LONGEST_LABELS
    return _read(values, defaults) if hostile else _remembered(values, defaults)


def _read(values: tuple[str | None, ...], defaults: Modes) -> Labelled:
    errors: list[LabelError] = []
    audit = _mode(values, 1, defaults.audit, Level.PRIVILEGED, errors)
    enforce_errors: list[LabelError] = []
    enforce = _mode(values, 0, defaults.enforce, Level.RESTRICTED, enforce_errors)
    warn = _mode(values, 2, defaults.warn, Level.PRIVILEGED, errors)
    enforce_label, warn_label, warn_version = values[0], values[4], values[5]
    sets_enforce = enforce_label is not None and all(error.label != LABELS[0] for error in enforce_errors)
    if warn_label is None and sets_enforce and enforce.level.rank > warn.level.rank:
        warn = LevelVersion(enforce.level, enforce.version if warn_version is None else warn.version)
    return Labelled(Modes(enforce=enforce, audit=audit, warn=warn), (*enforce_errors, *errors))


_remembered = lru_cache(maxsize=4096)(_read)
"""A cluster has few distinct policies."""
_LONGEST_LABELS = 6 * 63
"""Characters in six labels of a cluster; who reaches the port can send longer ones, which are not kept."""


def _mode(
    values: tuple[str | None, ...], index: int, default: LevelVersion, fallback: Level, errors: list[LabelError]
) -> LevelVersion:
    level, version = default
    level_value, version_value = values[2 * index], values[2 * index + 1]
    if level_value is not None:
        try:
            level = Level.parse(level_value)
        except ValueError as error:
            level = fallback
            errors.append(LabelError(LABELS[2 * index], level_value, str(error)))
    if version_value is not None:
        try:
            version = Version.parse(version_value)
        except ValueError as error:
            version = LATEST
            errors.append(LabelError(LABELS[2 * index + 1], version_value, str(error)))
    return LevelVersion(level, version)

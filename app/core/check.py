"""What a policy module declares: one rule, its versions, and everything that is said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.core.finding import Finding
from app.core.pod import Pod
from app.core.version import Level

Find = Callable[[Pod], Iterable[Finding]]
"""A rule: pure, and free to read every field of the pod."""


class Severity(StrEnum):
    """How bad it is to run a pod that breaks the rule."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Layer(StrEnum):
    """The layer of defence that the rule keeps in place."""

    USERS = "users and namespaces"
    CAPABILITIES = "capabilities"
    SECCOMP = "seccomp"
    MANDATORY_ACCESS = "mandatory access control"
    FILESYSTEM = "filesystem"
    HOST = "host access"
    ISOLATION = "isolation"


@dataclass(frozen=True, slots=True)
class Since:
    """The rule's behaviour from one Kubernetes version on, until the next `Since`."""

    version: str
    """First policy version, such as `v1.25`."""
    find: Find
    """Pure function of the pod; yields nothing for a pod that keeps the rule."""
    overrides: tuple[str, ...] = ()
    """Ids of weaker baseline checks that are left out where this restricted one runs."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pod that keeps or breaks the rule; the catalogue runs every one before it serves."""

    title: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the pod's spec; where `containers` is missing, one harmless container is added."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    finds: tuple[str, ...] = ()
    """The exact field paths that the check reports, in order; empty for a good example."""
    version: str = "latest"
    """The policy version under which the example is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule. Docs page, tests, metric label and message come from this declaration."""

    id: str
    """Kebab-case, equal to the module's name."""
    title: str
    level: Level
    """The Pod Security level that includes it: baseline or restricted."""
    severity: Severity
    layer: Layer
    why: str | None
    """What an attacker gains where the rule is broken: the module's docstring."""
    versions: tuple[Since, ...]
    """Strictly increasing; a pod is judged by the last one that is not newer than the policy version."""
    fields: tuple[str, ...]
    """Every field that the rule reads, with `[*]` for list items and map keys."""
    fix: str
    """What to do about a finding, in a sentence."""
    references: tuple[str, ...]
    good: tuple[Example, ...]
    bad: tuple[Example, ...]
    psa_id: str = ""
    """The id of the same check in k8s.io/pod-security-admission, where there is one."""

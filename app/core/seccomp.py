"""The rule on seccomp profiles that the baseline and the restricted check share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of

CONFINED: Final = frozenset({"RuntimeDefault", "Localhost"})
"""Profile types that close system calls."""


def unconfined(pod: Pod, check: str) -> Iterator[Finding]:
    """Find profiles that are set to another type, for the check of that id."""
    for container, context in pod.contexts:
        profile = context.seccomp_profile
        if profile is not None and profile.type not in CONFINED:
            yield Finding(
                check,
                pod.at(container, "securityContext.seccompProfile.type"),
                shown(profile.type),
                "be RuntimeDefault or Localhost",
                "type: RuntimeDefault",
                container=name_of(container),
            )

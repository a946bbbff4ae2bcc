"""Liveness and readiness as Kubernetes' own components tell them: `/livez` and `/readyz`, `?verbose`, `?exclude=`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Probe = Callable[[], str]
"""Give an empty text when well, or else one line on what is wrong."""


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a probe."""

    status: int
    """200, or 503 while a check that was not excluded fails."""
    text: str


def report(endpoint: str, probes: Mapping[str, Probe], excluded: Iterable[str], *, verbose: bool) -> Report:
    """Ask every probe that is not excluded; `endpoint` names it in the last line.

    What fails is always told: unlike the apiserver's, these endpoints have no secret to keep from who can reach them.
    """
    skip = set(excluded)
    lines, failed = [], False
    for name, probe in probes.items():
        if name in skip:
            lines.append(f"[+]{name} excluded: ok")
            continue
        trouble = probe()
        failed = failed or bool(trouble)
        lines.append(f"[-]{name} failed: {trouble}" if trouble else f"[+]{name} ok")
    unknown = sorted(skip - set(probes))
    if unknown:
        lines.append(f"warn: no check to exclude is called {', '.join(name[:63] for name in unknown)}")
    if failed:
        return Report(503, "\n".join([*lines, f"{endpoint} check failed", ""]))
    return Report(200, "\n".join([*lines, f"{endpoint} check passed", ""]) if verbose else "ok")

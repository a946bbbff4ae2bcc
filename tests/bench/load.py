"""Runs the load generator (loadgen/main.go) and reads its report."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.machine import pinned
from tests.kube.build import binary


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: URL, the authority to trust, further headers."""

    url: str
    authority: Path
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came back. Latencies in milliseconds."""

    requests: int
    allowed: int
    denied: int
    failed: int
    """Answers that are not 2xx or belong to another review, and requests without an answer."""
    connections: int
    rps: float
    p50_ms: float
    p99_ms: float
    problem: str = field(default="")
    """The first failure."""


def run(
    target: Target,
    bodies: Sequence[Path],
    number: str,
    *,
    clients: int,
    seconds: float = 0.0,
    requests: int = 0,
    renew: int = 0,
    review: bool = False,
    processor: int | None = None,
) -> Report:
    """Send the bodies in turn, for some seconds or so many times; `number` in them varies.

    Raises:
        RuntimeError: the generator could not run.

    """
    command: list[str | Path] = [
        binary("loadgen"),
        f"-url={target.url}",
        f"-ca={target.authority}",
        *(f"-header={header}" for header in target.headers),
        *(f"-body={body}" for body in bodies),
        f"-vary={number}",
        f"-clients={clients}",
        f"-duration={seconds}s",
        f"-requests={requests}",
        f"-renew={renew}",
        f"-review={str(review).lower()}",
    ]
    if processor is None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    else:
        with pinned(processor):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env={"GOMAXPROCS": "1"})
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.strip()}")
    return _read(json.loads(done.stdout))


def _read(found: dict[str, Any]) -> Report:
    return Report(
        requests=found["requests"],
        allowed=found["allowed"],
        denied=found["denied"],
        failed=found["non_2xx"] + found["mismatched"] + found["errors"],
        connections=found["connections"],
        rps=found["rps"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        problem=found.get("first_error", "") or found.get("first_refusal", ""),
    )

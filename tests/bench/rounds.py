"""Both servers under the same load in turns, so that whatever else the machine does meets both alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench import load
from tests.bench.load import Report
from tests.bench.machine import cpu_seconds, memory
from tests.bench.reviews import NUMBER, Case
from tests.bench.servers import OURS, THEIRS, Server

CLIENTS: Final = 8


class WrongAnswerError(AssertionError):
    """A server did not answer as the case demands: figures of such a run mean nothing."""


@dataclass
class Series:
    """What was measured of one server in one case, one entry a round."""

    cpu_us: list[float] = field(default_factory=list)
    rps: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    requests: int = 0
    rss_mib: float = 0.0
    peak_mib: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Medians, and the range of the CPU time."""
        return {
            "cpu_us_per_request": round(statistics.median(self.cpu_us), 1),
            "cpu_us_range": [round(min(self.cpu_us), 1), round(max(self.cpu_us), 1)],
            "rps": round(statistics.median(self.rps)),
            "p50_ms": round(statistics.median(self.p50_ms), 2),
            "p99_ms": round(statistics.median(self.p99_ms), 2),
            "rss_mib": round(self.rss_mib, 1),
            "rss_peak_mib": round(self.peak_mib, 1),
            "requests": self.requests,
        }


def measure(
    servers: Sequence[Server], case: Case, folder: Path, *, rounds: int, seconds: float, processor: int
) -> dict[str, Series]:
    """Measure one case, by turns: A B, B A, A B, and so on.

    Raises:
        WrongAnswerError: a server failed a request, or its verdict is not the case's.

    """
    body = folder / f"{case.name}.json"
    body.write_bytes(case.body)
    found = {server.name: Series() for server in servers}
    for server in servers:
        _load(server, case, body, min(seconds, 1.0), processor)
    for turn in range(rounds):
        for server in servers if turn % 2 == 0 else reversed(servers):
            series = found[server.name]
            before = cpu_seconds(server.pid)
            report = _load(server, case, body, seconds, processor)
            series.cpu_us.append((cpu_seconds(server.pid) - before) * 1e6 / report.requests)
            series.rps.append(report.rps)
            series.p50_ms.append(report.p50_ms)
            series.p99_ms.append(report.p99_ms)
            series.requests += report.requests
    for server in servers:
        resident = memory(server.pid)
        found[server.name].rss_mib, found[server.name].peak_mib = resident.now, resident.peak
    return found


def _load(server: Server, case: Case, body: Path, seconds: float, processor: int) -> Report:
    report = load.run(
        server.target,
        [body],
        NUMBER,
        clients=CLIENTS,
        seconds=seconds,
        renew=case.renew,
        review=True,
        processor=processor,
    )
    right = report.allowed if case.allowed else report.denied
    if report.failed or not report.requests or right != report.requests:
        raise WrongAnswerError(f"{server.name}, {case.name}: {report}")
    return report


def ratio(found: dict[str, Series]) -> dict[str, Any]:
    """CPU of ours over theirs: of the medians, and the range over the rounds."""
    ours, theirs = found[OURS].cpu_us, found[THEIRS].cpu_us
    each = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 3),
        "range": [round(min(each), 3), round(max(each), 3)],
    }

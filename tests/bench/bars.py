"""The bars that a run must clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.bench.reviews import MAIN
from tests.bench.servers import OURS, THEIRS

MAX_RATIO: Final = 0.30
MAX_GROWTH_MIB: Final = 5.0
MAX_RSS_MIB: Final = 80.0
MAX_READY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, what was measured, and whether it is cleared."""

    name: str
    limit: str
    measured: str
    cleared: bool


def judge(found: dict[str, Any]) -> list[Bar]:
    """Hold a run's figures against the bars; what was not measured is left out."""
    bars = [
        _most("seconds until ready", found["ready_seconds"], MAX_READY_SECONDS, "s"),
        _most("resident memory, peak", found["rss_peak_mib"], MAX_RSS_MIB, "MiB"),
    ]
    if MAIN in found["ratios"]:
        ours, theirs = (found["servers"][name][MAIN]["p99_ms"] for name in (OURS, THEIRS))
        bars.insert(0, Bar(f"p99, {MAIN}", f"< {theirs} ms", f"{ours} ms", ours < theirs))
        bars.insert(0, _most(f"CPU ratio, {MAIN}", found["ratios"][MAIN]["ratio"], MAX_RATIO, ""))
    if found["rss_growth_mib"] is not None:
        requests = found["soak"]["requests"]
        bars.append(_most(f"growth over {requests:,} requests", found["rss_growth_mib"], MAX_GROWTH_MIB, "MiB"))
    return bars


def _most(name: str, measured: float, limit: float, unit: str) -> Bar:
    return Bar(name, f"<= {limit} {unit}".rstrip(), f"{measured} {unit}".rstrip(), measured <= limit)


def table(bars: list[Bar]) -> str:
    """The bars for a terminal."""
    lines = [f"  {'pass' if bar.cleared else 'FAIL'}  {bar.name:<36} {bar.measured:>12}  ({bar.limit})" for bar in bars]
    return "\n".join(lines)

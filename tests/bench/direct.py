"""Reviews sent straight to the two webhooks: start-up, the cases by turns, and a soak of ours."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tests.bench import load, machine, rounds
from tests.bench.reviews import CASES, NAMESPACES, NUMBER, Case
from tests.bench.rounds import CLIENTS, WrongAnswerError
from tests.bench.servers import OURS, START, THEIRS, Files, Server
from tests.simulators.namespaces_api import NamespacesApi

Figures = dict[str, Any]

STARTS: Final = 3
_WARM_UP: Final = 20_000
_STEPS: Final = 10
_SOAK_MIX: Final = ("pod-allowed", "pod-allowed", "pod-denied", "deployment-warned", "pod-relabelled", "pod-small")


def measure(folder: Path, cases: Sequence[Case], *, turns: int, seconds: float, soak: int) -> Figures:
    """Run everything that needs no apiserver.

    Raises:
        WrongAnswerError: a server answered wrongly; its figures would mean nothing.

    """
    server_processor, load_processor = machine.processors()
    with NamespacesApi(NAMESPACES) as api:
        files = Files(folder, api.write_kubeconfig(folder.parent / "bench-kubeconfig"))
        START[OURS](files, server_processor).process.stop()  # writes the bytecode that an image already has
        ready = {name: _ready_seconds(name, files, server_processor) for name in (OURS, THEIRS)}
        with ExitStack() as running:
            servers = [running.enter_context(START[name](files, server_processor)) for name in (OURS, THEIRS)]
            idle = {server.name: round(machine.memory(server.pid).now, 1) for server in servers}
            figures: Figures = {server.name: {} for server in servers}
            ratios = {}
            for case in cases:
                found = rounds.measure(servers, case, folder, rounds=turns, seconds=seconds, processor=load_processor)
                ratios[case.name] = rounds.ratio(found)
                for name, series in found.items():
                    figures[name][case.name] = series.figures()
                _say_case(case, figures, ratios[case.name])
            soaked = _soak(servers[0], folder, soak, load_processor) if soak else None
            peak = machine.memory(servers[0].pid).peak
    return {
        "servers": figures,
        "ratios": ratios,
        "ready_seconds": ready[OURS],
        "ready_seconds_by_server": ready,
        "idle_rss_mib": idle,
        "rss_peak_mib": round(peak, 1),
        "soak": soaked,
        "rss_growth_mib": soaked and soaked["rss_growth_mib"],
        "clients": CLIENTS,
        "rounds": turns,
        "seconds_per_round": seconds,
    }


def _ready_seconds(name: str, files: Files, processor: int) -> float:
    times = []
    for _ in range(STARTS):
        with START[name](files, processor) as server:
            times.append(server.ready_seconds)
    return round(statistics.median(times), 3)


def _soak(server: Server, folder: Path, requests: int, processor: int) -> Figures:
    """Send a mix of reviews and watch resident memory, from after a warm-up on."""
    known = {case.name: case for case in CASES}
    bodies = []
    for name in dict.fromkeys(_SOAK_MIX):
        path = folder / f"soak-{name}.json"
        path.write_bytes(known[name].body)
        bodies.append(path)
    mix = [folder / f"soak-{name}.json" for name in _SOAK_MIX]
    sizes: list[float] = []
    sent = 0
    for step in [min(_WARM_UP, requests), *[requests // _STEPS] * _STEPS]:
        report = load.run(server.target, mix, NUMBER, clients=CLIENTS, requests=step, review=True, processor=processor)
        if report.failed or report.requests != step:
            raise WrongAnswerError(f"{server.name}, soak: {report}")
        sent += step
        sizes.append(round(machine.memory(server.pid).now, 2))
        print(f"  soak: {sent:>9,} requests, {sizes[-1]:.1f} MiB resident", flush=True)
    return {"requests": requests, "rss_mib": sizes, "rss_growth_mib": round(max(sizes[1:]) - sizes[0], 2)}


def _say_case(case: Case, figures: Figures, ratio: Figures) -> None:
    ours, theirs = figures[OURS][case.name], figures[THEIRS][case.name]
    print(
        f"  {case.name:<24} {ours['cpu_us_per_request']:>7.1f} us {theirs['cpu_us_per_request']:>8.1f} us  ratio "
        f"{ratio['ratio']:.2f} ({ratio['range'][0]:.2f} to {ratio['range'][1]:.2f})  "
        f"p99 {ours['p99_ms']:.2f} / {theirs['p99_ms']:.2f} ms",
        flush=True,
    )

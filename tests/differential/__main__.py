"""`python -m tests.differential`: compare, shrink what differs, write the figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from tests.differential import ours, reach, replay, reviews, work, worlds
from tests.differential.compare import INTENDED
from tests.differential.reference import Reference, Serving
from tests.differential.verdict import CHECK_IDS
from tests.differential.work import Disagreement, Setting, Tally
from tests.differential.worlds import WORLDS
from tests.simulators.namespaces_api import NamespacesApi

BUILD: Final = Path(__file__).resolve().parents[2] / "build"
FIGURES: Final = BUILD / "differential.json"
FAILURES: Final = BUILD / "differential-failures"
RANGE: Final = 640
SHRUNK_AT_MOST: Final = 20


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 when no review is disagreed on."""
    options = _parser().parse_args(arguments)
    if options.replay:
        return replay.replay(options.replay)
    if options.coverage:
        return reach.measure(options.seed, min(options.reviews, reach.MOST))
    return _compare(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--reviews", type=int, default=100_000, metavar="N", help="how many reviews (default 100000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="another seed gives other reviews (default 1)")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first review (default 0)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 2, metavar="W", help="processes (default: CPUs)"
    )
    parser.add_argument("--shrink", action=argparse.BooleanOptionalAction, default=True, help="shrink what differs")
    parser.add_argument(
        "--endpoint",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also send every 20th review through the HTTPS endpoint of a server",
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="judge one disagreement again")
    parser.add_argument("--coverage", action="store_true", help="measure which branches the generated reviews reach")
    return parser


def _compare(options: argparse.Namespace) -> int:
    started = time.monotonic()
    for stale in FAILURES.glob("*.json"):
        stale.unlink()
    population = worlds.populate(options.seed)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="differential-")))
        api = stack.enter_context(NamespacesApi(population.labels))
        for name, pods in population.pods.items():
            api.put_pods(name, pods)
        kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        serving = Serving(folder)
        webhooks = [stack.enter_context(Reference(world, kubeconfig, serving, folder)) for world in WORLDS]
        servers = [
            stack.enter_context(ours.server(world, kubeconfig, serving, folder)) for world in WORLDS if options.endpoint
        ]
        ports = tuple(webhook.port for webhook in webhooks)
        setting = Setting(options.seed, serving.authority, ports, tuple(server.port for server in servers))
        begun = time.monotonic()
        tally = _run(setting, options)
        elapsed = time.monotonic() - begun
        _report(tally, options, elapsed, begun - started)
        if tally.disagreements:
            _explain(tally.disagreements, population, setting, serving, options)
    return 1 if tally.disagreements else 0


def _ranges(options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    last = options.first + options.reviews
    for start in range(options.first, last, RANGE):
        yield start, min(start + RANGE, last)


def _run(setting: Setting, options: argparse.Namespace) -> Tally:
    """Spread the ranges over processes; progress is shown on a terminal. An interrupt ends early with what there is."""
    total = Tally()
    stopping: list[int] = []
    signal.signal(signal.SIGINT, lambda received, _: stopping.append(received))
    ranges = _ranges(options)
    context = multiprocessing.get_context("spawn")
    begun = time.monotonic()
    with ProcessPoolExecutor(options.workers, context, work.start, (setting,)) as pool:
        waiting: set[Future[Tally]] = set()
        while not stopping:
            while len(waiting) < 3 * options.workers and (bounds := next(ranges, None)):
                waiting.add(pool.submit(work.run, *bounds))
            if not waiting:
                return total
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
            _progress(total, options.reviews, time.monotonic() - begun)
        for future in waiting:
            total.add(future.result())
        return total


def _progress(total: Tally, wanted: int, seconds: float) -> None:
    if sys.stderr.isatty():
        rate = total.reviews / seconds if seconds else 0
        end = "\n" if total.reviews == wanted else ""
        line = f"{total.reviews:,} of {wanted:,} reviews, {rate:,.0f}/s, {len(total.disagreements)} disagreements"
        print(f"\r\x1b[K{line}", end=end, file=sys.stderr, flush=True)


def _report(tally: Tally, options: argparse.Namespace, elapsed: float, start_up: float) -> None:
    versions = sorted({version for _, version in (*tally.broken, *tally.kept)}, key=_version_key)
    gaps = sorted(
        f"{check} at {version} never {what}"
        for check, version in {*tally.broken, *tally.kept}
        for what, counts in (("failed", tally.broken), ("passed", tally.kept))
        if not counts[check, version]
    )
    figures: dict[str, Any] = {
        "reviews": tally.reviews,
        "disagreements": len(tally.disagreements),
        "seed": options.seed,
        "first": options.first,
        "elapsed_seconds": round(elapsed, 1),
        "reviews_per_second": round(tally.reviews / elapsed) if elapsed else 0,
        "start_up_seconds": round(start_up, 1),
        "through_endpoint": tally.endpoint,
        "intended_differences": {entry.name: tally.intended[entry.name] for entry in INTENDED},
        "kinds": dict(sorted(tally.kinds.items())),
        "reference_outcomes": dict(sorted(tally.outcomes.items())),
        "evaluations_by_version": {
            version: sum(n for counts in (tally.broken, tally.kept) for (_, v), n in counts.items() if v == version)
            for version in versions
        },
        "checks": {
            check: {
                what: sum(number for (name, _), number in counts.items() if name == check)
                for what, counts in (("failed", tally.broken), ("passed", tally.kept))
            }
            for check in sorted(CHECK_IDS)
        },
        "never_reached": gaps,
    }
    BUILD.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(
        f"{tally.reviews:,} reviews (seed {options.seed}) in {elapsed:.1f} s, {figures['reviews_per_second']:,}/s;"
        f" {tally.endpoint:,} also through the endpoint; {len(versions)} policy versions;"
        f" {len(gaps)} pairs of check and version not seen both failing and passing;"
        f" intended differences: {sum(tally.intended.values())}; disagreements: {len(tally.disagreements)}"
    )
    print(f"figures: {FIGURES.relative_to(BUILD.parent)}")


def _version_key(version: str) -> int:
    return sys.maxsize if version == "latest" else int(version.removeprefix("v1."))


def _explain(
    disagreements: list[Disagreement],
    population: worlds.Population,
    setting: Setting,
    serving: Serving,
    options: argparse.Namespace,
) -> None:
    """Shrink and write the first of each sort of disagreement."""
    sorts = Counter(", ".join(disagreement.fields) for disagreement in disagreements)
    print("sorts of disagreement:", dict(sorts.most_common()))
    seen: dict[tuple[str, ...], int] = {}
    for disagreement in sorted(disagreements, key=lambda each: each.index):
        seen[disagreement.fields] = seen.get(disagreement.fields, 0) + 1
        if seen[disagreement.fields] > 3 or sum(min(3, number) for number in seen.values()) > SHRUNK_AT_MOST:
            continue
        case = reviews.case(options.seed, disagreement.index, population)
        pods = population.pods.get(case.review["request"].get("namespace", ""), [])
        finding = replay.Finding(disagreement.theirs, disagreement.ours, frozenset(disagreement.fields))
        if options.shrink and disagreement.fields != ("endpoint",):
            bench = replay.Bench(setting.reference_ports[case.world], serving, WORLDS[case.world], pods)
            case = bench.shrink(case, frozenset(disagreement.fields))
            finding = bench.judge(case) or finding
            if finding.fields != frozenset(disagreement.fields):
                print("  not the same when asked again; at first it was:")
                finding = replay.Finding(disagreement.theirs, disagreement.ours, frozenset(disagreement.fields))
        path = FAILURES / f"seed-{options.seed}-review-{case.index}.json"
        replay.write(path, case, options.seed, finding, pods)
        print(f"review {case.index} ({case.kind}) differs in {', '.join(disagreement.fields)}: {path}")
        print(f"  reference: {finding.theirs}\n  Pratique:  {finding.ours}")


if __name__ == "__main__":
    sys.exit(main())

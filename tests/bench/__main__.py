"""`python -m tests.bench`: see the package's docstring; --help lists the options."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from tests.bench import bars, direct, machine
from tests.bench.reviews import CASES, MAIN
from tests.kube.build import binary
from tests.kube.go import BUILD

FIGURES: Final = BUILD / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write build/bench.json; 1 if a bar is missed."""
    options = _options().parse_args(arguments)
    chosen = [case for case in CASES if not options.cases or case.name in options.cases]
    soak = options.soak if options.soak is not None else 50_000 if options.short else 1_000_000
    turns, seconds = (3, 2.0) if options.short else (5, 4.0)
    folder = BUILD / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in ("loadgen", "psa-webhook"):
        binary(program)
    busy = machine.busy_seconds()
    print("CPU per request, ours and the Pod Security Admission webhook's:", flush=True)
    found = direct.measure(folder, chosen, turns=turns, seconds=seconds, soak=soak)
    found["ratio_cpu_restricted"] = found["ratios"].get(MAIN, {}).get("ratio")
    found["machine"] = machine.describe()
    found["busy_seconds"] = round(machine.busy_seconds() - busy, 1)
    found["command"] = " ".join(["python -m tests.bench", *(arguments if arguments is not None else sys.argv[1:])])
    judged = bars.judge(found)
    found["bars"] = [asdict(bar) for bar in judged]
    FIGURES.write_text(json.dumps(found, indent=2) + "\n")
    print(bars.table(judged))
    missed = [bar for bar in judged if not bar.cleared]
    return 1 if missed and options.bars else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Pratique beside the PSA webhook.")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds, a soak of 50,000 requests")
    parser.add_argument("--soak", type=int, metavar="N", help="requests against a leak; 0 for none (default 1,000,000)")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], metavar="CASE", help="only these")
    parser.add_argument("--no-bars", dest="bars", action="store_false", help="a missed bar is no failure")
    return parser


if __name__ == "__main__":
    sys.exit(main())

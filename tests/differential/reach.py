"""Branch coverage of the checks and the core under the generated reviews, by function calls alone.

Measured by coverage.py in a process of its own, so that the modules' import counts too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from app.catalog import Catalog

BUILD: Final = Path(__file__).resolve().parents[2] / "build"
MOST: Final = 20_000
"""Reviews that are measured at most: coverage.py makes each many times dearer, and no branch is that rare."""
REPORT: Final = BUILD / "differential-coverage.json"


def measure(seed: int, number: int) -> int:
    """Judge `number` reviews of `seed` under coverage.py, print a table; 1 where a branch of a check is not reached."""
    BUILD.mkdir(exist_ok=True)
    # The tracer in C is the one that knows contexts in every version of Python.
    environment = {**os.environ, "COVERAGE_CORE": "ctrace"}
    subprocess.run([sys.executable, "-m", __spec__.name, str(seed), str(number)], check=True, env=environment)
    files: dict[str, dict[str, Any]] = json.loads(REPORT.read_text(encoding="utf-8"))["files"]
    from app.catalog import catalog  # noqa: PLC0415 (not before coverage.py in the measured process)

    rules = _rules(catalog())
    missed = 0
    print(f"branches reached by {number:,} generated reviews (seed {seed}); the examples of the checks do not count")
    for name, entry in sorted(files.items()):
        bodies = [
            function
            for title, function in entry["functions"].items()
            if title and (function["executed_lines"] or (name, title) in rules or not name.startswith("policies/"))
        ]
        branches = [branch for function in bodies for branch in function["missing_branches"]]
        lines = [line for function in bodies for line in function["missing_lines"]]
        total = sum(function["summary"]["num_branches"] for function in bodies)
        shown = f"  not reached: lines {lines}, branches {branches}" if branches or lines else ""
        print(f"{total - len(branches):4} of {total:4}  {name}{shown}")
        if name.startswith("policies/"):
            missed += len(branches) + len(lines)
    print(f"checks: {f'{missed} branches or lines not reached' if missed else 'every branch and line is reached'}")
    return 1 if missed else 0


def _rules(catalog: Catalog) -> set[tuple[str, str]]:
    """File and name of every function that judges; what else stands in a module of a check builds its declaration."""
    finds = [since.find for check in catalog.checks for since in check.versions]
    return {(f"{find.__module__.replace('.', '/')}.py", find.__qualname__.replace("<locals>.", "")) for find in finds}


def judge(seed: int, number: int) -> None:
    """Judge reviews 0 to `number` of `seed` by function, and write what they reached to `REPORT`."""
    import coverage  # noqa: PLC0415 (a development tool; comparing does not need it)

    measured = coverage.Coverage(
        data_file=None, config_file=False, branch=True, source=["policies", "app.core"], context="start-up"
    )
    measured.start()
    from tests.differential import ours, reviews, worlds  # noqa: PLC0415 (imported while coverage.py watches)

    population = worlds.populate(seed)
    pods = {name: ours.pod_list(found) for name, found in population.pods.items()}
    snapshots = [ours.snapshot(world) for world in worlds.WORLDS]
    measured.switch_context("generated")
    for index in range(number):
        case = reviews.case(seed, index, population)
        body = json.dumps(case.review).encode()
        ours.decide(body, snapshots[case.world], case.labels, pods.get(case.review["request"].get("namespace", "")))
    measured.stop()
    measured.json_report(outfile=str(REPORT), contexts=["generated"])


if __name__ == "__main__":
    judge(int(sys.argv[1]), int(sys.argv[2]))

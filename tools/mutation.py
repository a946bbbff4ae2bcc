"""Mutation testing of policies/ and the engine: `python -m tools.mutation [--children N]`.

Works in a copy of the tree under build/, so that a mutant never touches a file that somebody edits. mutmut makes the
mutants, each with one change inside a function, and finds out which tests reach which function; tools/mutation_trial.py
runs those. A mutant that no test notices has survived. The outcome goes to docs/mutation.md and build/mutation.json.
Survivors that change nothing that anybody could observe are listed with the reason in tests/mutants.txt; they count as
survivors all the same.

A function that runs while modules are imported has done so before a mutant is put in place. So what survives is tried
once more, in a fresh interpreter each.
"""

import argparse
import ast
import concurrent.futures
import difflib
import inspect
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

PROJECT = pathlib.Path(__file__).resolve().parents[1]
COPY = PROJECT / "build/mutation"
REPORT = PROJECT / "docs/mutation.md"
FIGURES = PROJECT / "build/mutation.json"
LOG = PROJECT / "build/mutation.log"
REASONS = PROJECT / "tests/mutants.txt"
COPIED = ("app", "policies", "tests", "tools", "docs", "pyproject.toml", "README.md")
BAR = 0.95
SHOWN = 200
STATUS = {0: "survived", 1: "killed", -14: "timeout", None: "no tests"}  # -14: SIGALRM
KILLED = ("killed", "timeout")
PYTEST = ("nice", "-n", "10", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:cov")

# Which tests may kill: those that look at policies and the engine and need no server, cluster or Go.
TESTS = ("tests/policies/test_*.py", "tests/project/test_generated.py", "tests/unit/core/test_*.py")
# One mutant for mutmut itself, so that it makes all of them and records which tests reach which function.
PROBE = "policies.privileged.x_find__mutmut_1"

CONFIGURATION = """
[tool.mutmut]
source_paths = ["app", "policies"]
only_mutate = ["app/core/*", "app/catalog.py", "policies/*"]
do_not_mutate = ["app/core/images/*"]
also_copy = ["tools", "docs", "README.md"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:cov", "-W", "ignore"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every mutant."""

    status: dict[str, str]
    """One of the values of `STATUS`, by the mutant's name."""
    seconds: float

    @property
    def killed(self) -> int:
        """Mutants that some test noticed; one that ran forever was noticed too."""
        return sum(status in KILLED for status in self.status.values())

    @property
    def survivors(self) -> list[str]:
        """All others, by name."""
        return sorted(name for name, status in self.status.items() if status not in KILLED)


def prepare(tests: Sequence[str]) -> None:
    """Make the copy and its mutants anew."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in COPIED:
        source, target = PROJECT / name, COPY / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    with (COPY / "pyproject.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(CONFIGURATION.replace("{tests}", json.dumps(list(tests))))
    program = pathlib.Path(sys.executable).with_name("mutmut")
    with LOG.open("w", encoding="utf-8") as log:
        subprocess.run(
            ["nice", "-n", "10", program, "run", PROBE],
            cwd=COPY,
            env=environment(),
            check=False,
            stdout=log,
            stderr=log,
        )


def environment(**more: str) -> dict[str, str]:
    """The environment of what runs in the copy."""
    return {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", **more}


def try_all(tests: Sequence[str], children: int) -> dict[str, str]:
    """The status of every mutant; `no tests` where no test reaches the function.

    Raises:
        SystemExit: the trials could not run.
    """
    output = COPY / "trial.json"
    done = subprocess.run(
        [*PYTEST, "-p", "tools.mutation_trial", *tests],
        cwd=COPY / "mutants",
        env=environment(MUTATION_TRIAL=str(output), MUTATION_CHILDREN=str(children), MUTANT_UNDER_TEST=""),
        check=False,
        capture_output=True,
        text=True,
    )
    if not output.exists():
        raise SystemExit(f"the trials did not run; {LOG.name} has what mutmut says\n{done.stdout[-4000:]}{done.stderr}")
    codes = json.loads(output.read_text(encoding="utf-8"))
    return {name: STATUS.get(code, "killed") for name, code in codes.items()}


def try_alone(mutant: str, tests: Sequence[str]) -> str:
    """The status of one mutant in a fresh interpreter."""
    try:
        done = subprocess.run(
            [*PYTEST, "-x", *tests],
            cwd=COPY / "mutants",
            env=environment(MUTANT_UNDER_TEST=mutant),
            check=False,
            capture_output=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return "survived" if done.returncode == 0 else "killed"


def reasons() -> dict[str, str]:
    """Why some mutants change nothing that could be observed: `app.core.plan.labelled #3: reason` a line."""
    if not REASONS.exists():
        return {}
    lines = (line.strip() for line in REASONS.read_text(encoding="utf-8").splitlines())
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def readable(mutant: str) -> str:
    """A mutant's name as a person would say it: `app.core.plan.labelled #3`."""
    name, _, number = mutant.rpartition("__mutmut_")
    return f"{name.replace('.x_', '.').replace('.xǁ', '.').replace('ǁ', '.')} #{number}"


def difference(mutant: str) -> str:
    """The lines that the mutant changed, before and after."""
    module, _, name = mutant.rpartition(".")
    text = (COPY / "mutants" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    original = f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"
    bodies = {
        node.name: "\n".join(ast.unparse(line) for line in (node.args, *node.body)).splitlines()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in (name, original)
    }
    lines = difflib.unified_diff(bodies.get(original, []), bodies.get(name, []), lineterm="", n=0)
    return "\n".join(line for line in lines if re.match(r"[-+](?![-+])", line))


def report(outcome: Outcome) -> str:
    """docs/mutation.md."""
    total = len(outcome.status)
    by_module: dict[str, Counter[str]] = {}
    for name, status in outcome.status.items():
        by_module.setdefault(name.rpartition(".")[0], Counter())["killed" if status in KILLED else "survived"] += 1
    share = f"{outcome.killed} of {total} mutants killed, {outcome.killed / total:.1%} (the bar is {BAR:.0%})"
    when = f"{time.strftime('%Y-%m-%d', time.gmtime())}, {outcome.seconds:.0f} s"
    lines = [
        "<!-- Made by `make mutation`. -->",
        "",
        "# Mutation testing",
        "",
        f"{share}; {len(outcome.survivors)} survived. Run on {when}.",
        "",
        f"Tests that may kill: {', '.join(f'`{test}`' for test in TESTS)}.",
        "",
        "| module | mutants | killed | survived |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {module} | {count.total()} | {count['killed']} | {count['survived']} |"
            for module, count in sorted(by_module.items())
        ),
        "",
        "## Survivors",
        "",
    ]
    known = reasons()
    if len(outcome.survivors) > SHOWN:
        lines += [f"Too many to show; the first {SHOWN}:", ""]
    for mutant in outcome.survivors[:SHOWN]:
        name = readable(mutant)
        because = known.get(name, "")
        lines += [f"### {name} ({outcome.status[mutant]})", ""]
        lines += [because, ""] if because else []
        lines += ["```diff", difference(mutant), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Make and try all mutants, write the report; exit with an error below the bar."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="trials at once (default: all cores)")
    children = parser.parse_args().children
    tests = [str(path.relative_to(PROJECT)) for test in TESTS for path in sorted(PROJECT.glob(test))]
    begun = time.monotonic()
    prepare(tests)
    status = try_all(tests, children)
    again = [name for name, state in status.items() if state not in KILLED]
    with concurrent.futures.ThreadPoolExecutor(children) as pool:
        status |= dict(zip(again, pool.map(lambda name: try_alone(name, tests), again), strict=True))
    outcome = Outcome(status, time.monotonic() - begun)
    figures = {"mutants": len(status), "killed": outcome.killed, "survivors": outcome.survivors}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    REPORT.write_text(report(outcome), encoding="utf-8")
    share = outcome.killed / len(status)
    print(f"{outcome.killed} of {len(status)} mutants killed ({share:.1%}) in {outcome.seconds:.0f} s")
    raise SystemExit(share < BAR)


if __name__ == "__main__":
    main()

"""Mutation testing of policies/ and the engine: `python -m tools.mutation [--only PATTERN...] [--children N]`.

Works in a copy of the tree under build/, so that a mutant never touches a file that somebody edits. mutmut changes one
thing at a time inside a function and runs the tests that reach it; a mutant that no test notices has survived. The
outcome goes to docs/mutation.md and build/mutation.json. Survivors that change nothing that anybody could observe are
listed with the reason in tests/mutants.txt; they count as survivors all the same.

What runs when a module is imported has run before mutmut puts a mutant in place, so such a mutant seems to survive. So
all survivors get a second trial, each in a fresh interpreter.
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
COPIED = ("app", "policies", "tests", "tools", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile")
BAR = 0.95
SHOWN = 200
STATUS = {
    0: "survived",
    1: "killed",
    2: "killed",
    3: "killed",
    4: "killed",
    5: "no tests",
    33: "no tests",
    None: "not run",
}
STATUS |= dict.fromkeys((24, -24, 36, 152, 255), "timeout") | dict.fromkeys((-9, -11), "segfault")
KILLED = ("killed", "timeout", "segfault")
AGAIN = ("survived", "no tests")

CONFIGURATION = """
[tool.mutmut]
source_paths = ["app", "policies"]
only_mutate = ["app/core/*", "app/catalog.py", "policies/*"]
do_not_mutate = ["app/core/images/*"]
also_copy = ["tools", "docs", "README.md", "CONTRIBUTING.md", "Makefile"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:cov", "-W", "ignore"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"
use_git_change_detection = false
"""

# Which tests may kill: those that look at policies and the engine and need no server, cluster or Go.
TESTS = ("tests/policies/test_*.py", "tests/project/test_generated.py", "tests/unit/core/test_*.py")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every mutant."""

    status: dict[str, str]
    """`killed`, `survived`, `no tests`, `timeout` and the like, by the mutant's name."""
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
    """Bring the copy up to date; mutmut's results of an earlier run stay, and it reuses what still holds."""
    COPY.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = PROJECT / name, COPY / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    with (COPY / "pyproject.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(CONFIGURATION.replace("{tests}", json.dumps(list(tests))))


def mutmut(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mutmut in the copy, with low priority and its own path."""
    program = pathlib.Path(sys.executable).with_name("mutmut")
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["nice", "-n", "10", str(program), *arguments]
    if arguments[0] != "run":
        return subprocess.run(command, cwd=COPY, env=environment, check=False, text=True, stdout=subprocess.PIPE)
    with LOG.open("w", encoding="utf-8") as log:  # a spinner, a line a tick
        return subprocess.run(command, cwd=COPY, env=environment, check=False, text=True, stdout=log, stderr=log)


def results() -> dict[str, str]:
    """What mutmut found out about every mutant."""
    found: dict[str, str] = {}
    for record in sorted((COPY / "mutants").rglob("*.meta")):
        codes = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
        found |= {name: STATUS.get(code, f"exit code {code}") for name, code in codes.items()}
    return found


def confirm(mutant: str, tests: Sequence[str]) -> str:
    """The status of one mutant in a fresh interpreter."""
    environment = {**os.environ, "MUTANT_UNDER_TEST": mutant, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        "nice",
        "-n",
        "10",
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        *tests,
    ]
    try:
        done = subprocess.run(
            command, cwd=COPY / "mutants", env=environment, check=False, capture_output=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return "survived" if done.returncode == 0 else "killed"


def reasons() -> dict[str, str]:
    """Why some mutants change nothing that could be observed: `module.function: reason` a line."""
    if not REASONS.exists():
        return {}
    lines = (line.strip() for line in REASONS.read_text(encoding="utf-8").splitlines())
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def module_of(mutant: str) -> str:
    """The module of a mutant's name, such as `app.core.plan`."""
    return re.split(r"\.(?:x_|xǁ)", mutant, maxsplit=1)[0]


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
        node.name: "\n".join(ast.unparse(line) for line in node.body).splitlines()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in (name, original)
    }
    lines = list(difflib.unified_diff(bodies.get(original, []), bodies.get(name, []), lineterm="", n=0))
    return "\n".join(line for line in lines if re.match(r"[-+](?![-+])", line))


def report(outcome: Outcome) -> str:
    """docs/mutation.md."""
    total = len(outcome.status)
    by_module: dict[str, Counter[str]] = {}
    for name, status in outcome.status.items():
        by_module.setdefault(module_of(name), Counter())["killed" if status in KILLED else "alive"] += 1
    day = time.strftime("%Y-%m-%d", time.gmtime())
    share = f"{outcome.killed} of {total} mutants killed, {outcome.killed / total:.1%} (the bar is {BAR:.0%})"
    lines = [
        "<!-- Made by `make mutation`. -->",
        "",
        "# Mutation testing",
        "",
        f"{share}; {len(outcome.survivors)} survived. {day}, {outcome.seconds / 60:.0f} minutes.",
        "",
        f"Tests that may kill: {', '.join(f'`{test}`' for test in TESTS)}.",
        "",
        "| module | mutants | killed | survived |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {module} | {count.total()} | {count['killed']} | {count['alive']} |"
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
        because = known.get(name, "") or known.get(name.rpartition(" #")[0], "")
        lines += [f"### {name} ({outcome.status[mutant]})", ""]
        lines += [because, ""] if because else []
        lines += ["```diff", difference(mutant), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Run everything, or the mutants that match a pattern; exit with an error below the bar."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of mutants, wildcards allowed: 'policies.privileged*'"
    )
    parser.add_argument(
        "--children", default=str(os.cpu_count() or 1), help="how many run at once (default: all cores)"
    )
    arguments = parser.parse_args()
    tests = [str(path.relative_to(PROJECT)) for test in TESTS for path in sorted(PROJECT.glob(test))]
    begun = time.monotonic()
    prepare(tests)
    mutmut("run", "--max-children", arguments.children, *arguments.only)
    status = results()
    if not status or set(status.values()) <= {"not run"}:
        raise SystemExit(f"nothing was run: do {' '.join(tests)} pass in {COPY.name}? {LOG.name} has what mutmut says")
    again = [name for name, state in status.items() if state in AGAIN]
    with concurrent.futures.ThreadPoolExecutor(int(arguments.children)) as pool:
        status |= dict(zip(again, pool.map(lambda name: confirm(name, tests), again), strict=True))
    if arguments.only:
        status = {name: state for name, state in status.items() if state != "not run"}
    outcome = Outcome(status, time.monotonic() - begun)
    figures = {"mutants": len(outcome.status), "killed": outcome.killed, "survivors": outcome.survivors}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    share = outcome.killed / len(outcome.status)
    print(f"{outcome.killed} of {len(outcome.status)} mutants killed ({share:.1%})")
    if not arguments.only:
        REPORT.write_text(report(outcome), encoding="utf-8")
    raise SystemExit(share < BAR)


if __name__ == "__main__":
    main()

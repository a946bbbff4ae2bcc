"""A pytest plugin that tries mutants: `pytest -p tools.mutation_trial`, run by tools/mutation.py in mutmut's tree.

pytest starts and collects once. Then each mutant gets a forked process of its own, which runs the tests that reach the
mutated function, quickest first, until one fails. Starting pytest anew for every mutant takes many times longer than
the tests.

Reads the tests by function from mutmut's statistics, and writes the exit code of each trial to $MUTATION_TRIAL as JSON:
0 survived, 1 killed, -14 ran out of time, null no test reaches the function. Without $MUTATION_TRIAL it does nothing.
"""

import json
import os
import pathlib
import signal
from collections.abc import Iterator

import pytest
from _pytest.runner import runtestprotocol  # the public hook would report to the terminal

OUTPUT = "MUTATION_TRIAL"
CHILDREN = "MUTATION_CHILDREN"
SECONDS = 120
"""Of one trial; a mutant that loops is noticed by that."""
STATISTICS = pathlib.Path("mutmut-stats.json")


def mutants() -> Iterator[str]:
    """The names of all mutants in the tree."""
    for record in sorted(pathlib.Path().rglob("*.meta")):
        yield from json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]


def trial(mutant: str, items: list[pytest.Item]) -> int:
    """Fork a process that runs the items against a mutant; its id."""
    child = os.fork()
    if child:
        return child
    os.environ["MUTANT_UNDER_TEST"] = mutant
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    try:
        for item in items:
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=None)):
                os._exit(1)
        os._exit(0)
    finally:
        os._exit(1)  # whatever broke so badly as to raise here


def collect(running: dict[int, str], codes: dict[str, int | None]) -> None:
    """Wait for one trial to end."""
    child, status = os.wait()
    codes[running.pop(child)] = os.waitstatus_to_exitcode(status)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Try all mutants instead of running the tests."""
    output = os.environ.get(OUTPUT)
    if output is None:
        return None
    statistics = json.loads(STATISTICS.read_text(encoding="utf-8"))
    seconds = statistics["duration_by_test"]
    items = {item.nodeid: item for item in session.items}
    running: dict[int, str] = {}
    codes: dict[str, int | None] = {}
    for mutant in mutants():
        reaching = statistics["tests_by_mangled_function_name"].get(mutant.rpartition("__mutmut_")[0], ())
        tests = sorted((test for test in reaching if test in items), key=lambda test: (seconds.get(test, 0), test))
        if not tests:
            codes[mutant] = None
            continue
        while len(running) >= int(os.environ.get(CHILDREN, "1")):
            collect(running, codes)
        running[trial(mutant, [items[test] for test in tests])] = mutant
    while running:
        collect(running, codes)
    pathlib.Path(output).write_text(json.dumps(codes), encoding="utf-8")
    return True

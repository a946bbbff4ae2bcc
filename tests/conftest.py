"""What all suites share: hypothesis' profile for CI, and the rule that a skip there must have an agreed reason.

A skipped test proves nothing, and in CI nobody is there to notice. So with CI set, a skip whose reason matches no line
of tests/skips.txt is a failure, be it of a test or of a whole module.
"""

import fnmatch
import os
import pathlib
from collections.abc import Generator

import pytest
from hypothesis import settings

# In CI the same tree gives the same result; at a desk every run looks somewhere new.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

SKIPS = pathlib.Path(__file__).with_name("skips.txt")


def accepted(reason: str, listed: str) -> bool:
    """Whether a line of the list (shell wildcards allowed, # starts a comment) matches the reason."""
    lines = (line.partition("#")[0].strip() for line in listed.splitlines())
    return any(fnmatch.fnmatchcase(reason, line) for line in lines if line)


def unaccepted(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The reason of a skip that CI does not accept, or None."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return None
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    reason = reason.removeprefix("Skipped: ").strip()
    return None if accepted(reason, SKIPS.read_text(encoding="utf-8")) else reason


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = unaccepted(report)
    if reason is not None:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI for a reason that tests/skips.txt does not list: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse(report)
    return report

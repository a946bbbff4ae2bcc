"""Run the rules of one level and version over one pod."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.core.finding import Finding
from app.core.plan import Rule
from app.core.pod import Pod

MAX_FINDINGS: Final = 500
"""Of one check in one pod; more tell nobody anything, and an object may have tens of thousands of containers."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A check that raised: a bug, kept as a value so that it ends in a denial and in the log, never in silence."""

    check: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that the rules found."""

    findings: tuple[Finding, ...] = ()
    faults: tuple[Fault, ...] = ()

    def plus(self, findings: tuple[Finding, ...]) -> Verdict:
        """Give the same with more findings."""
        return Verdict((*self.findings, *findings), self.faults) if findings else self

    @property
    def clean(self) -> bool:
        """Whether every rule ran and found nothing."""
        return not self.findings and not self.faults


CLEAN = Verdict()


def evaluate(rules: tuple[Rule, ...], pod: Pod) -> Verdict:
    """Collect what every rule finds, in the order of the rules; a rule that raises does not stop the others."""
    findings: list[Finding] = []
    faults: list[Fault] = []
    for check, since in rules:
        try:
            findings.extend(islice(since.find(pod), MAX_FINDINGS))
        except Exception as error:  # noqa: BLE001 - any bug in a check must become a denial
            faults.append(Fault(check.id, error))
    if findings or faults:
        return Verdict(tuple(findings), tuple(faults))
    return CLEAN

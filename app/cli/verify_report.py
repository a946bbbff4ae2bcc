"""How `pratique verify` shows its results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import click

from app.cli.verify_run import Report
from app.core.images.result import Found
from app.images.explain import place

_VERDICTS: Final = {
    "verified": ("verified", "green"),
    "not verified": ("not verified", "red"),
    "could not be checked": ("could not be checked", "yellow"),
}


def verdict(report: Report) -> str:
    """The verdict in words."""
    return "verified" if report.ok else "could not be checked" if report.unchecked else "not verified"


def as_text(reports: Sequence[Report]) -> str:
    """For people: each policy's verdict, and below it every signature."""
    return "\n\n".join("\n".join(_lines(report)) for report in reports)


def _lines(report: Report) -> list[str]:
    words, colour = _VERDICTS[verdict(report)]
    lines = [f"{report.image}: {click.style(words, fg=colour, bold=True)}"]
    facts = {
        "digest": report.digest,
        "policy": report.policy + (" (warns only)" if report.mode == "warn" else ""),
        "expected": report.expected,
        "reason": report.reason,
    }
    lines += [f"  {name:<9} {value}" for name, value in facts.items() if value]
    if report.found:
        lines.append(f"  found     {len(report.found)}")
    for found in report.found:
        mark = click.style("+", fg="green") if found.counted else click.style("-", fg="red")
        lines.append(f"    {mark} {found.kind} in {place(found.where)}, {found.digest}")
        if found.identity:
            lines.append(f"      signed by {found.identity}" + (f" (issuer {found.issuer})" if found.issuer else ""))
        lines.append("      counts" if found.counted else f"      does not count: {found.why_not}")
    return lines


def as_json(reports: Sequence[Report]) -> str:
    """For programs: one object, `verified` only if every policy is satisfied."""
    tree = {
        "image": reports[0].image,
        "verified": all(report.ok for report in reports),
        "results": [_tree(report) for report in reports],
    }
    return json.dumps(tree, indent=2)


def _tree(report: Report) -> dict[str, Any]:
    return {
        "policy": report.policy,
        "mode": report.mode,
        "verdict": verdict(report),
        "digest": report.digest,
        "expected": report.expected,
        "reason": report.reason,
        "found": [_found(one) for one in report.found],
    }


def _found(one: Found) -> dict[str, Any]:
    return {
        "where": one.where,
        "kind": one.kind,
        "digest": one.digest,
        "identity": one.identity,
        "issuer": one.issuer,
        "counted": one.counted,
        "whyNot": one.why_not,
    }

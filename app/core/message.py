"""Text for people and programs, made from findings: denial, warnings, causes, audit annotations.

Everything here is ASCII without control characters, because the apiserver drops a warning that has any and a terminal
obeys those it is sent; names come from whoever wrote the object. Limits are the apiserver's (KEP-1693 for warnings).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from app.core.envelope import AdmissionRequest
from app.core.evaluate import Fault, Verdict
from app.core.finding import Finding
from app.core.plan import LABELS, LabelError, Modes
from app.core.version import Level, LevelVersion

MAX_WARNINGS: Final = 15
"""Per response, the last one counting the rest."""
MAX_WARNING: Final = 256
"""Characters; longer ones are cut, since the apiserver cuts all of them once they sum up to 4,096."""
MAX_ANNOTATION: Final = 10 * 1024
"""Characters in the value of an audit annotation."""
MAX_HEADLINE: Final = 256
"""Characters in the first line of a denial, which events and logs show alone."""
MAX_TEXT: Final = 16 * 1024
"""Characters of a denial, besides its first line; what is cut stands in the causes."""
MAX_PLACES: Final = 50
"""Fields listed for one rule."""
MAX_LINE: Final = 512
MAX_CAUSES: Final = 500
_HEADLINE_CHECKS: Final = 6
_NAMED: Final = 3
_COLUMNS: Final = 80
_MAX_NAME: Final = 80

_CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


class Told(NamedTuple):
    """What is said about the same findings whenever they are found: a controller retries a refused pod for hours."""

    checks: tuple[str, ...]
    """Ids, in the order of the findings."""
    text: str
    """Everything, for a terminal."""
    sentences: tuple[str, ...]
    """One line for each rule that was broken."""
    causes: tuple[dict[str, str], ...]
    """One for each finding."""


def one_line(text: str, limit: int = MAX_WARNING) -> str:
    """Make any text safe to print: ASCII, no control characters, at most `limit` characters."""
    if not (text.isascii() and text.isprintable()):
        text = text.translate(_CONTROL).encode("ascii", "backslashreplace").decode("ascii")
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def quoted(name: str | None) -> str:
    """Quote a name that came with the request."""
    if (
        name
        and name.isascii()
        and name.isprintable()
        and len(name) < _MAX_NAME
        and '"' not in name
        and "\\" not in name
    ):
        return f'"{name}"'
    return one_line(json.dumps(name or ""), _MAX_NAME)


def counted(number: int, one: str, many: str) -> str:
    """Put a number before its noun."""
    return f"{number} {one if number == 1 else many}"


def tell(findings: tuple[Finding, ...]) -> Told:
    """Put findings into words; those of one check that are mended by the same rule go together."""
    size = sum([len(found.path) + len(found.container) + len(found.volume) for found in findings])
    return _told(findings) if size > _REMEMBERED_SIZE else _remembered(findings)


def _told(findings: tuple[Finding, ...]) -> Told:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.check, finding.expected), []).append(finding)
    return Told(
        tuple(dict.fromkeys(finding.check for finding in findings)),
        _text([_block(group) for group in groups.values()]),
        tuple(_sentence(group) for group in groups.values()),
        tuple(_cause(finding) for finding in findings[:MAX_CAUSES]),
    )


_remembered = lru_cache(maxsize=64)(_told)
_REMEMBERED_SIZE: Final = 16 * 1024
"""Characters in the names among findings up to which they are kept: who reaches the port can make up any."""


def _text(blocks: list[str]) -> str:
    kept = size = 0
    for block in blocks:
        size += len(block)
        if size > MAX_TEXT:
            break
        kept += 1
    if kept < len(blocks):
        blocks[kept:] = [f"... and {len(blocks) - kept} more, in status.details.causes"]
    return "\n\n".join(blocks)


def _where(findings: Sequence[Finding], limit: int) -> str:
    """Name the containers and volumes, with a colon before them; nothing where it is about the pod as a whole."""
    parts = [
        _listed("container", dict.fromkeys(finding.container for finding in findings if finding.container), limit),
        _listed("volume", dict.fromkeys(finding.volume for finding in findings if finding.volume), limit),
    ]
    return "".join(f": {part}" for part in parts if part)


def _listed(noun: str, names: Mapping[str, None], limit: int) -> str:
    if not names:
        return ""
    told = ", ".join([quoted(name) for name in list(names)[:limit]])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{noun if len(names) == 1 else f'{noun}s'} {told}{more}"


def _block(findings: list[Finding]) -> str:
    lines = [_wrapped(findings[0].check + _where(findings, MAX_PLACES))]
    for finding in findings[:MAX_PLACES]:
        path, value = one_line(finding.path, MAX_LINE), one_line(finding.value)
        fits = len(path) + len(value) + len("   is ") <= _COLUMNS
        lines.append(f"  {path} is {value}" if fits else f"  {path}\n    is {value}")
    if len(findings) > MAX_PLACES:
        lines.append(f"  ... and {len(findings) - MAX_PLACES} more")
    lines.append(_wrapped(f"  must {one_line(findings[0].expected, MAX_LINE)}"))
    fixes = dict.fromkeys(finding.fix for finding in findings[:MAX_PLACES])
    lines += [_wrapped(f"  fix: {one_line(fix, MAX_LINE)}") for fix in fixes]
    return "\n".join(lines)


def _wrapped(line: str) -> str:
    if len(line) <= _COLUMNS:
        return line
    return "\n".join(
        textwrap.wrap(line, _COLUMNS, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    )


def _sentence(findings: list[Finding]) -> str:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    where = _where(findings, _NAMED)
    return f"{first.check}{where}: {first.path} is {first.value}{more}, must {first.expected}"


def _cause(finding: Finding) -> dict[str, str]:
    return {
        "reason": finding.check,
        "message": one_line(f"is {finding.value}, must {finding.expected}; fix: {finding.fix}", MAX_LINE),
        "field": one_line(finding.path, MAX_LINE),
    }


def subject(request: AdmissionRequest) -> str:
    """Name the object under review, as in `Deployment shop/web`."""
    kind = one_line((request.kind and request.kind.kind) or "object", 64)
    name = "/".join(one_line(part, 253) for part in (request.namespace, request.name) if part)
    return f"{kind} {name}" if request.name else f"{kind} in namespace {name}" if name else kind


def denial(request: AdmissionRequest, policy: LevelVersion, verdict: Verdict) -> str:
    """Tell everything that the enforce mode found, to be read in a terminal of 80 columns.

    The first line stands alone, since events and logs show no more.
    """
    faults = [_fault(fault, request) for fault in verdict.faults]
    if not verdict.findings:
        return "\n\n".join([one_line(f"{subject(request)} cannot be judged", MAX_HEADLINE), *faults])
    told = tell(verdict.findings)
    headline = one_line(_headline(f"{subject(request)} breaks", policy, told.checks), MAX_HEADLINE)
    return "\n\n".join([headline, told.text, *faults])


def _headline(start: str, policy: LevelVersion, checks: Sequence[str]) -> str:
    """Name as many of the checks as there is room for."""
    number = len(checks)
    start += f' {counted(number, "rule", "rules")} of Pod Security "{policy}"'
    for shown in range(min(number, _HEADLINE_CHECKS), 0, -1):
        more = f" and {number - shown} more" if shown < number else ""
        headline = f"{start}: {', '.join(checks[:shown])}{more}"
        if len(headline) <= MAX_HEADLINE:
            return headline
    return start


def _fault(fault: Fault, request: AdmissionRequest) -> str:
    reference = one_line(request.uid or "", 64)
    return f"{fault.check}: the check failed, and what it cannot judge is refused; reference {reference}"


def causes(verdict: Verdict) -> list[dict[str, str]]:
    """Give the same for programs, as `status.details.causes` (meta/v1 StatusCause): the reason is the check's id."""
    faults = [{"reason": fault.check, "message": "the check failed"} for fault in verdict.faults]
    return [*tell(verdict.findings).causes, *faults]


def warnings(policy: LevelVersion, verdict: Verdict) -> list[str]:
    """Give one line for each rule that the warn mode saw broken; few and short, so that none is lost on the way."""
    lines = [f"would be denied by {policy}: {sentence}" for sentence in tell(verdict.findings).sentences]
    lines += [f"would be denied by {policy}: the check {fault.check} failed" for fault in verdict.faults]
    if len(lines) > MAX_WARNINGS:
        lines[MAX_WARNINGS - 1 :] = [f"would be denied by {policy}: ... and {len(lines) - MAX_WARNINGS + 1} more"]
    return [one_line(line) for line in lines]


def violations(policy: LevelVersion, verdict: Verdict) -> str:
    """Give the value of the `audit-violations` annotation: every broken rule, in one line."""
    told = [*tell(verdict.findings).sentences, *(f"{fault.check}: the check failed" for fault in verdict.faults)]
    return one_line(f'would violate PodSecurity "{policy}": {"; ".join(told)}', MAX_ANNOTATION)


def broken_checks(verdict: Verdict) -> str:
    """Give the value of the `audit-checks` annotation: ids, sorted, for log queries."""
    return ",".join(sorted({*tell(verdict.findings).checks, *(fault.check for fault in verdict.faults)}))


def label_errors(errors: Sequence[LabelError]) -> str:
    """Tell which labels of the namespace mean nothing; empty where there are none."""
    if not errors:
        return ""
    told = "; ".join(f"{error.label}: {quoted(error.value)} {error.reason}" for error in errors)
    return one_line(f"namespace labels: {told}", MAX_ANNOTATION)


def invalid_namespace(request: AdmissionRequest, errors: Sequence[LabelError]) -> tuple[str, list[dict[str, str]]]:
    """Refuse a namespace whose labels mean nothing: message and causes; kubectl prints the causes."""
    found: list[dict[str, str]] = [
        {
            "reason": "FieldValueInvalid",
            "message": f"Invalid value: {quoted(error.value)}: {error.reason}",
            "field": f"metadata.labels[{error.label}]",
        }
        for error in errors
    ]
    listed = ", ".join(f"{cause['field']}: {cause['message']}" for cause in found)
    return f"{subject(request)} is invalid: {listed}", found


def existing_pods(
    request: AdmissionRequest, policy: LevelVersion, by_checks: Mapping[str, list[str]], *, checked: int, total: int
) -> tuple[str, ...]:
    """Warn about existing pods that a namespace's new level would refuse; `by_checks` maps ids to pods' names."""
    lines = []
    if checked < total:
        lines.append(f"only {checked} of {total} existing pods were checked against the new enforce level {policy}")
    if by_checks:
        lines.append(f"existing pods in namespace {quoted(request.name)} violate the new enforce level {policy}")
    for checks, names in sorted(by_checks.items(), key=lambda item: min(item[1])):
        others = len(names) - 1
        more = f" (and {counted(others, 'other pod', 'other pods')})" if others else ""
        lines.append(f"{min(names)}{more}: {checks}")
    if len(lines) > MAX_WARNINGS:
        lines[MAX_WARNINGS - 1 :] = [f"... and {len(lines) - MAX_WARNINGS + 1} more"]
    return tuple(one_line(line) for line in lines)


def ignored_labels(
    request: AdmissionRequest, modes: Modes, defaults: Modes, labels: Mapping[str, Any]
) -> tuple[str, ...]:
    """Warn that an exempt namespace sets labels which have no effect."""
    if all(
        mode == default or (mode.level is Level.PRIVILEGED and default.level is Level.PRIVILEGED)
        for mode, default in zip(modes, defaults, strict=True)
    ):
        return ()
    told = ", ".join(
        f"{name}={mode}"
        for index, (name, mode) in enumerate(zip(modes._fields, modes, strict=True))
        if mode.level is not Level.PRIVILEGED and (LABELS[2 * index] in labels or LABELS[2 * index + 1] in labels)
    )
    return (one_line(f"namespace {quoted(request.name)} is exempt from Pod Security; its policy ({told}) is ignored"),)

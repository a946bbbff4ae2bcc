"""Text for people and programs, made from findings: denial, warnings, causes, audit annotations.

Everything here is ASCII without control characters, because the apiserver drops a warning that has any and a terminal
obeys those it is sent; names come from whoever wrote the object. Limits are the apiserver's (KEP-1693 for warnings).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
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
MAX_GROUPS: Final = 60
MAX_PLACES: Final = 12
MAX_TEXT: Final = 512
MAX_CAUSES: Final = 500
_HEADLINE_CHECKS: Final = 6
_COLUMNS: Final = 80
_MAX_NAME: Final = 80
_QUOTE: Final = frozenset('"\\')

_CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


class Group(NamedTuple):
    """What one check found and would mend by the same rule, at one or several places."""

    findings: tuple[Finding, ...]
    where: str
    """Such as `containers "app", "log"`; empty where it is about the pod as a whole."""

    @property
    def check(self) -> str:
        """Id of the check."""
        return self.findings[0].check


def one_line(text: str, limit: int = MAX_WARNING) -> str:
    """Make any text safe to print: ASCII, no control characters, at most `limit` characters."""
    if not (text.isascii() and text.isprintable()):
        text = text.translate(_CONTROL).encode("ascii", "backslashreplace").decode("ascii")
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def quoted(name: str | None) -> str:
    """Quote a name that came with the request."""
    if name and name.isascii() and name.isprintable() and len(name) < _MAX_NAME and not _QUOTE.intersection(name):
        return f'"{name}"'
    return one_line(json.dumps(name or ""), _MAX_NAME)


def counted(number: int, one: str, many: str) -> str:
    """Put a number before its noun."""
    return f"{number} {one if number == 1 else many}"


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Put together what one check found and would mend by the same rule, in the order of first appearance."""
    places: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        places.setdefault((finding.check, finding.expected), []).append(finding)
    return [Group(tuple(found), _where(found)) for found in places.values()]


def _where(findings: Sequence[Finding]) -> str:
    containers = _listed("container", {finding.container: None for finding in findings if finding.container})
    volumes = _listed("volume", {finding.volume: None for finding in findings if finding.volume})
    return f"{containers}, {volumes}" if containers and volumes else containers or volumes


def _listed(noun: str, names: Mapping[str, None]) -> str:
    if not names:
        return ""
    told = ", ".join([quoted(name) for name in list(names)[:MAX_PLACES]])
    more = f" and {len(names) - MAX_PLACES} more" if len(names) > MAX_PLACES else ""
    return f"{noun if len(names) == 1 else f'{noun}s'} {told}{more}"


def subject(request: AdmissionRequest) -> str:
    """Name the object under review, as in `Deployment shop/web`."""
    kind = one_line((request.kind and request.kind.kind) or "object", 64)
    name = "/".join(one_line(part, 253) for part in (request.namespace, request.name) if part)
    return f"{kind} {name}" if request.name else f"{kind} in namespace {name}" if name else kind


def denial(request: AdmissionRequest, policy: LevelVersion, verdict: Verdict) -> str:
    """Tell everything that the enforce mode found, to be read in a terminal of 80 columns.

    The first line stands alone, since events and logs show no more.
    """
    groups = grouped(verdict.findings)
    checks = list({group.check: None for group in groups})
    blocks = [_block(group) for group in groups[:MAX_GROUPS]]
    if len(groups) > MAX_GROUPS:
        blocks.append(f"... and {len(groups) - MAX_GROUPS} more, in status.details.causes")
    blocks += [_fault(fault, request) for fault in verdict.faults]
    if not checks:
        return "\n\n".join([f"{subject(request)} cannot be judged", *blocks])
    listed = ", ".join(checks[:_HEADLINE_CHECKS])
    if len(checks) > _HEADLINE_CHECKS:
        listed += f" and {len(checks) - _HEADLINE_CHECKS} more"
    headline = f'{subject(request)} breaks {counted(len(checks), "rule", "rules")} of Pod Security "{policy}": {listed}'
    return "\n\n".join([headline, *blocks])


def _block(group: Group) -> str:
    findings = group.findings
    lines = [f"{group.check}: {group.where}" if group.where else group.check]
    for finding in findings[:MAX_PLACES]:
        path, value = one_line(finding.path), one_line(finding.value)
        fits = len(path) + len(value) + len("   is ") <= _COLUMNS
        lines.append(f"  {path} is {value}" if fits else f"  {path}\n    is {value}")
    if len(findings) > MAX_PLACES:
        lines.append(f"  ... and {len(findings) - MAX_PLACES} more")
    lines.append(_wrapped("  must ", findings[0].expected))
    lines += [_wrapped("  fix: ", fix) for fix in {finding.fix: None for finding in findings[:MAX_PLACES]}]
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> str:
    line = start + one_line(text, MAX_TEXT)
    if len(line) <= _COLUMNS:
        return line
    return "\n".join(
        textwrap.wrap(line, _COLUMNS, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    )


def _fault(fault: Fault, request: AdmissionRequest) -> str:
    reference = one_line(request.uid or "", 64)
    return f"{fault.check}: the check failed, and what it cannot judge is refused; reference {reference}"


def causes(verdict: Verdict) -> list[dict[str, str]]:
    """Give the same for programs, as `status.details.causes` (meta/v1 StatusCause): the reason is the check's id."""
    return [
        {
            "reason": finding.check,
            "message": one_line(f"is {finding.value}, must {finding.expected}; fix: {finding.fix}", MAX_TEXT),
            "field": one_line(finding.path, MAX_TEXT),
        }
        for finding in verdict.findings[:MAX_CAUSES]
    ] + [{"reason": fault.check, "message": "the check failed"} for fault in verdict.faults]


def _sentence(group: Group) -> str:
    first = group.findings[0]
    more = f" (and {len(group.findings) - 1} more)" if len(group.findings) > 1 else ""
    where = f"{group.where}: " if group.where else ""
    return f"{first.check}: {where}{first.path} is {first.value}{more}, must {first.expected}"


def warnings(policy: LevelVersion, verdict: Verdict) -> list[str]:
    """Give one line for each group that the warn mode found; few and short enough that none is lost on the way."""
    lines = [f"would be denied by {policy}: {_sentence(group)}" for group in grouped(verdict.findings)]
    lines += [f"would be denied by {policy}: the check {fault.check} failed" for fault in verdict.faults]
    if len(lines) > MAX_WARNINGS:
        lines[MAX_WARNINGS - 1 :] = [f"would be denied by {policy}: ... and {len(lines) - MAX_WARNINGS + 1} more"]
    return [one_line(line) for line in lines]


def violations(policy: LevelVersion, verdict: Verdict) -> str:
    """Give the value of the `audit-violations` annotation: every group in one line."""
    told = [_sentence(group) for group in grouped(verdict.findings)]
    told += [f"{fault.check}: the check failed" for fault in verdict.faults]
    return one_line(f'would violate PodSecurity "{policy}": {"; ".join(told)}', MAX_ANNOTATION)


def broken_checks(verdict: Verdict) -> str:
    """Give the value of the `audit-checks` annotation: ids, sorted, for log queries."""
    return ",".join(sorted({f.check for f in verdict.findings} | {f.check for f in verdict.faults}))


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

"""Both webhooks' answers in one vocabulary, and the exact parser of the reference's text.

The reference names failed checks by fixed reasons, each followed by a detail in parentheses. Generated text never
holds a parenthesis, so the grammar below is unambiguous; whatever does not match it stops the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

Checks = frozenset[str]

REASONS: Final = {
    "allowPrivilegeEscalation != false": "allow-privilege-escalation",
    "forbidden AppArmor profile": "app-armor-profile",
    "forbidden AppArmor profiles": "app-armor-profile",
    "forbidden sysctls": "sysctls",
    "host namespaces": "host-namespaces",
    "hostPath volumes": "host-path-volumes",
    "hostPort": "host-ports",
    "hostProcess": "windows-host-process",
    "non-default capabilities": "capabilities-baseline",
    "privileged": "privileged",
    "probe or lifecycle host": "host-probes-and-lifecycle",
    "procMount": "proc-mount",
    "restricted volume types": "restricted-volumes",
    "runAsNonRoot != true": "run-as-non-root",
    "runAsUser=0": "run-as-user",
    "seLinuxOptions": "se-linux-options",
    "seccompProfile": "seccomp-profile-baseline",
    "unrestricted capabilities": "capabilities-restricted",
}
"""The reference's words to our check ids."""

SHARED: Final = {
    "proc-mount": ("proc-mount-restricted", 35),
    "seccomp-profile-baseline": ("seccomp-profile-restricted", 19),
}
"""Checks whose reason two checks share: under restricted, from this minor version on, it is the other one."""

CHECK_IDS: Final = frozenset(REASONS.values()) | {other for other, _ in SHARED.values()}

_pattern: Final = re.compile  # noqa: TID251 - the patterns here are fixed and linear
_ITEM: Final = _pattern(
    r"(" + "|".join(re.escape(r) for r in sorted(REASONS, key=len, reverse=True)) + r")(?: \(([^()]*)\))?(, |\Z)"
)
_POLICY: Final = _pattern(r'violate[s]? PodSecurity "((?:baseline|restricted):(?:latest|v1\.[0-9]+))": ')
_EXISTING: Final = _pattern(
    r'existing pods in namespace "[^"]*" violate the new PodSecurity enforce level "([a-z]+:[a-z0-9.]+)"'
)
POD: Final = _pattern(r"([^ :]*)(?: \(and ([0-9]+) other pods?\))?: ")

_OUT_OF_TIME: Final = ("failed to list pods", "new PodSecurity enforce level only checked against the first ")


class ParseError(Exception):
    """Text of the reference webhook that the grammar does not cover: a fault of this harness."""


class TransientError(Exception):
    """The reference ran out of time on a busy machine; asked again, it will answer."""


@dataclass(frozen=True, slots=True)
class Violations:
    """Failed checks under one policy, for instance `restricted:v1.24`."""

    policy: str
    checks: Checks


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one webhook decided, as far as both can be compared.

    `outcome` is allowed, forbidden (checks failed), invalid (labels) or error. `warn` is empty for a denial: the
    reference sends none then. `existing` holds, for a namespace update, the violations of pods that exist: per set of
    checks the first pod's name and the number of pods. `policy` is the `enforce-policy` annotation.
    """

    outcome: str
    policy: str = ""
    enforce: Violations | None = None
    audit: Violations | None = None
    warn: Violations | None = None
    exempt: str = ""
    label_error: bool = False
    ignored_labels: bool = False
    existing: frozenset[tuple[str, Checks, int]] = frozenset()


class Cause(msgspec.Struct):
    """A StatusCause."""

    reason: str = ""
    field: str = ""


class Details(msgspec.Struct):
    """The part of StatusDetails that is read."""

    causes: list[Cause] = []


class Status(msgspec.Struct):
    """The part of a Status that is read."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details = msgspec.field(default_factory=Details)


class Response(msgspec.Struct, rename="camel"):
    """An AdmissionResponse."""

    uid: str
    allowed: bool
    status: Status | None = None
    audit_annotations: dict[str, str] = {}
    warnings: list[str] = []


class _Review(msgspec.Struct):
    response: Response


_decode: Final = msgspec.json.Decoder(_Review).decode


def response_of(body: bytes) -> Response:
    """The AdmissionResponse in an answer's body."""
    return _decode(body).response


def checks_of(text: str, policy: str) -> Checks:
    """Our ids of the checks that the reference's `text` says failed under `policy`.

    Raises:
        ParseError: the text is not a list of known reasons.
    """
    level, _, version = policy.partition(":")
    minor = 10**9 if version == "latest" else int(version.removeprefix("v1."))
    found: set[str] = set()
    position = 0
    end = ""
    while position < len(text) or end:
        item = _ITEM.match(text, position)
        if item is None:
            message = f"cannot parse {text!r} at {position}"
            raise ParseError(message)
        check = REASONS[item[1]]
        if level == "restricted" and check in SHARED and minor >= SHARED[check][1]:
            check = SHARED[check][0]
        if check in found:
            message = f"{check} twice in {text!r}"
            raise ParseError(message)
        found.add(check)
        position, end = item.end(), item[3]
    if not found:
        message = "an empty list of reasons"
        raise ParseError(message)
    return frozenset(found)


def violations_of(text: str, start: str) -> Violations:
    """What `<start>violates PodSecurity "<policy>": <reasons>` names.

    Raises:
        ParseError: the text reads differently.
    """
    policy = _POLICY.match(text, len(start)) if text.startswith(start) else None
    if policy is None:
        message = f"cannot parse {text!r}"
        raise ParseError(message)
    return Violations(policy[1], checks_of(text[policy.end() :], policy[1]))


def reference(body: bytes, request: dict[str, Any]) -> Verdict:
    """The reference webhook's answer to `request`.

    Raises:
        ParseError: the answer has a form that this parser does not know.
        TransientError: the reference ran out of time.
    """
    response = response_of(body)
    annotations = response.audit_annotations
    error = annotations.get("error", "")
    label_error = error.startswith("Failed to parse policy: ")
    audit = annotations.get("audit-violations")
    outcome, enforce = _denial(response, request)
    warn, ignored, existing = _warnings(response.warnings)
    if error and not label_error and outcome == "allowed":
        outcome = "allowed with error"
    return Verdict(
        outcome=outcome,
        policy=annotations.get("enforce-policy", ""),
        enforce=enforce,
        audit=violations_of(audit, "would ") if audit else None,
        warn=warn,
        exempt=annotations.get("exempt", ""),
        label_error=label_error,
        ignored_labels=ignored,
        existing=existing,
    )


def _denial(response: Response, request: dict[str, Any]) -> tuple[str, Violations | None]:
    if response.allowed:
        return "allowed", None
    status = response.status or Status()
    if status.reason == "Invalid":
        return "invalid", None
    if status.reason != "Forbidden":
        return "error", None
    name = request.get("name")
    quoted = f" {quote(name)}" if name else ""
    return "forbidden", violations_of(status.message, f"{request['resource']['resource']}{quoted} is forbidden: ")


def quote(text: str) -> str:
    """`text` as Go's `%q` writes it, for the names that are generated here."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _warnings(texts: list[str]) -> tuple[Violations | None, bool, frozenset[tuple[str, Checks, int]]]:
    if not texts:
        return None, False, frozenset()
    if texts[0].startswith("would violate PodSecurity"):
        return violations_of(texts[0], "would "), False, frozenset()
    if "is exempt from Pod Security" in texts[0]:
        return None, True, frozenset()
    if texts[0].startswith(_OUT_OF_TIME):
        raise TransientError(texts[0])
    head = _EXISTING.fullmatch(texts[0])
    if head is None:
        message = f"cannot parse the warning {texts[0]!r}"
        raise ParseError(message)
    return None, False, merged(_existing(text, head[1]) for text in texts[1:])


def merged(rows: Iterable[tuple[str, Checks, int]]) -> frozenset[tuple[str, Checks, int]]:
    """Rows of pods that exist, one per set of checks: the reference splits a set where a reason is in the plural."""
    found: dict[Checks, tuple[str, int]] = {}
    for name, checks, number in rows:
        first, total = found.get(checks, (name, 0))
        found[checks] = min(first, name), total + number
    return frozenset((name, checks, number) for checks, (name, number) in found.items())


def _existing(text: str, policy: str) -> tuple[str, Checks, int]:
    pod = POD.match(text)
    if pod is None:
        message = f"cannot parse the warning {text!r}"
        raise ParseError(message)
    return pod[1], checks_of(text[pod.end() :], policy), 1 + int(pod[2] or 0)

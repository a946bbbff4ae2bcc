"""Pratique's side: the pure walk by function call, and a real server process with its HTTPS endpoint."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from app.catalog import catalog
from app.core.decision import Decision
from app.core.decode import decode_review
from app.core.facts import Facts, PodList
from app.core.plan import Modes, Snapshot
from app.core.respond import respond
from app.core.review import Need, judge, needs, request_of
from app.core.unknown import Unknown
from app.core.version import Level, LevelVersion, Version
from tests.differential.reference import START_SECONDS, Serving, ready
from tests.differential.verdict import (
    CHECK_IDS,
    POD,
    Checks,
    ParseError,
    Response,
    Status,
    TransientError,
    Verdict,
    Violations,
    merged,
)
from tests.differential.worlds import World
from tests.kube.process import Process, free_ports

_encode: Final = msgspec.json.Encoder().encode
_OUT_OF_TIME: Final = ("existing pods were not checked against", "only ")
"""How warnings of a namespace's update begin where time ran out before all pods were judged."""


def snapshot(world: World) -> Snapshot:
    """The snapshot that a server configured for `world` judges by."""
    defaults = world.defaults
    modes = [
        LevelVersion(Level.parse(defaults[mode]), Version.parse(defaults[f"{mode}-version"])) for mode in Modes._fields
    ]
    return Snapshot(
        rules=catalog().rules,
        defaults=Modes(*modes),
        exempt_usernames=frozenset(world.exemptions["usernames"]),
        exempt_namespaces=frozenset(world.exemptions["namespaces"]),
        exempt_runtime_classes=frozenset(world.exemptions["runtimeClasses"]),
    )


def pod_list(pods: list[dict[str, Any]]) -> PodList:
    """Pods that exist, as the gathering of facts gives them."""
    return PodList([_encode(pod) for pod in pods], len(pods))


def decide(
    body: bytes, snapshot: Snapshot, labels: Mapping[str, str] | None, pods: PodList | None
) -> tuple[Decision, bytes]:
    """Judge one review by function, with the facts a cluster would have given; `labels` None: no such namespace."""
    request = request_of(decode_review(body))
    wanted = needs(request, snapshot)
    facts = Facts(
        labels=(Unknown("no such namespace") if labels is None else labels) if wanted & Need.NAMESPACE else {},
        pods=(pods or PodList([], 0)) if wanted & Need.PODS else None,
    )
    decision = judge(request, snapshot, facts)
    return decision, respond(decision)


def verdict(response: Response, decision: Decision | None = None) -> Verdict:
    """Our answer in the common vocabulary; `decision` settles what a limit cut from the text.

    Raises:
        ParseError: the answer contradicts itself or the decision.
        TransientError: the server ran out of time to list pods.
    """
    annotations = response.audit_annotations
    status = response.status or Status()
    audit = annotations.get("audit-violations", "")
    outcome, enforce = _denial(response, status, annotations)
    warn, existing, ignored = _warnings(response.warnings)
    error = annotations.get("error", "")
    label_error = error.startswith("namespace labels: ")
    if outcome == "allowed" and error and not label_error:
        outcome = "allowed with error"
    if decision is not None:
        warn = _settled(warn, decision)
    return Verdict(
        outcome=outcome,
        policy=annotations.get("enforce-policy", ""),
        enforce=enforce,
        audit=Violations(_policy(audit), _known(annotations["audit-checks"].split(","))) if audit else None,
        warn=warn,
        exempt=annotations.get("exempt", ""),
        label_error=label_error,
        ignored_labels=ignored,
        existing=existing,
    )


def _known(checks: list[str]) -> Checks:
    found = frozenset(checks)
    if not found <= CHECK_IDS:
        message = f"unknown checks {sorted(found - CHECK_IDS)}"
        raise ParseError(message)
    return found


def _policy(text: str) -> str:
    return text.split('"')[1]


def _denial(response: Response, status: Status, annotations: Mapping[str, str]) -> tuple[str, Violations | None]:
    if response.allowed:
        return "allowed", None
    if status.reason == "Invalid":
        return "invalid", None
    if status.reason != "Forbidden":
        return "error", None
    causes = _known([cause.reason for cause in status.details.causes])
    return "forbidden", Violations(annotations["enforce-policy"], causes)


def _warnings(lines: list[str]) -> tuple[Violations | None, frozenset[tuple[str, Checks, int]], bool]:
    would = [line.removeprefix("would be denied by ") for line in lines if line.startswith("would be denied by ")]
    if would:
        policy = ":".join(would[0].split(":")[:2])
        named = [line.removeprefix(f"{policy}: ").partition(":")[0] for line in would]
        return (
            Violations(policy, _known([check for check in named if not check.startswith("... and ")])),
            frozenset(),
            False,
        )
    if any("is exempt from Pod Security" in line for line in lines):
        return None, frozenset(), True
    if not lines:
        return None, frozenset(), False
    if lines[0].startswith(_OUT_OF_TIME):
        raise TransientError(lines[0])
    if not lines[0].startswith("existing pods in namespace "):
        message = f"cannot parse the warning {lines[0]!r}"
        raise ParseError(message)
    rows = []
    for line in lines[1:]:
        pod = POD.match(line)
        if pod is None:
            message = f"cannot parse the warning {line!r}"
            raise ParseError(message)
        rows.append((pod[1], _known(line[pod.end() :].split(", ")), 1 + int(pod[2] or 0)))
    return None, merged(rows), False


def _settled(told: Violations | None, decision: Decision) -> Violations | None:
    """What warn mode found, checked against what the lines told of it."""
    if decision.warn.faults or decision.enforce.faults or decision.audit.faults:
        message = f"checks raised: {decision.warn.faults or decision.enforce.faults or decision.audit.faults}"
        raise ParseError(message)
    found = frozenset(finding.check for finding in decision.warn.findings)
    if not found or decision.modes is None:
        if told is not None:
            message = f"warnings {told} without findings"
            raise ParseError(message)
        return None
    if told is None or not told.checks <= found:
        message = f"warnings {told} for findings of {sorted(found)}"
        raise ParseError(message)
    return Violations(told.policy, found)


class Server:
    """One `pratique serve` for one configuration; a context manager. `port` is where it serves HTTPS."""

    def __init__(self, name: str, arguments: list[str], serving: Serving, folder: Path) -> None:
        """Prepare `serve` with further `arguments`; files go to `folder`."""
        self.port = free_ports(1)[0]
        self._serving = serving
        self._log = folder / f"ours-{name}.log"
        self._command = [
            *(sys.executable, "-m", "app", "serve", "--bind-address", "127.0.0.1", "--port", str(self.port)),
            *("--tls-cert-file", str(serving.certificate), "--tls-private-key-file", str(serving.key), *arguments),
        ]

    def __enter__(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            NotReadyError: it exited, or was not ready in time.
        """
        self._process = Process(self._command, self._log)
        try:
            self._process.wait_until(lambda: ready(self.port, self._serving), "/readyz says yes", START_SECONDS)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the process."""
        self._process.stop()


def server(world: World, kubeconfig: Path, serving: Serving, folder: Path) -> Server:
    """A server for `world`, reading namespaces by `kubeconfig`."""
    configuration = folder / f"ours-{world.name}.yaml"
    configuration.write_text(json.dumps(world.configuration()), encoding="utf-8")
    return Server(world.name, ["--config", str(configuration), "--kubeconfig", str(kubeconfig)], serving, folder)

"""One worker: takes ranges of review numbers, asks both webhooks, compares, and counts."""

from __future__ import annotations

import signal
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from app.core.decision import Decision
from tests.differential import ours, reviews, worlds
from tests.differential.compare import differences, intended
from tests.differential.reviews import Case
from tests.differential.verdict import ParseError, TransientError, Verdict, reference, response_of
from tests.differential.wire import Pipeline
from tests.differential.worlds import WORLDS

BATCH: Final = 64
ENDPOINT_EVERY: Final = 20
"""Every so many-th review also goes through the HTTPS endpoint."""
PATIENCE: Final = 10
"""How often a reference that ran out of time is asked again."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Setting:
    """Where everything is; sent to each worker once."""

    seed: int
    authority: Path
    reference_ports: tuple[int, ...]
    own_ports: tuple[int, ...]
    """Our servers, in the order of the worlds; empty: no endpoint is asked."""


@dataclass(slots=True)
class Disagreement:
    """One review on which the webhooks differ, and how."""

    index: int
    fields: tuple[str, ...]
    theirs: str
    ours: str


@dataclass(slots=True)
class Tally:
    """What a range of reviews came to."""

    reviews: int = 0
    endpoint: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a check failed, by check and policy version, as the reference says."""
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a check ran and did not fail."""
    intended: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in another range."""
        self.reviews += other.reviews
        self.endpoint += other.endpoint
        for name in ("kinds", "outcomes", "broken", "kept", "intended"):
            getattr(self, name).update(getattr(other, name))
        self.disagreements += other.disagreements


class Worker:
    """Connections and the population of one seed."""

    def __init__(self, setting: Setting) -> None:
        """Connect to every webhook."""
        context = ssl.create_default_context(cafile=setting.authority)
        self._seed = setting.seed
        self._population = worlds.populate(setting.seed)
        self._pods = {name: ours.pod_list(pods) for name, pods in self._population.pods.items()}
        self._snapshots = [ours.snapshot(world) for world in WORLDS]
        self._theirs = [Pipeline(port, context) for port in setting.reference_ports]
        self._endpoints = [Pipeline(port, context) for port in setting.own_ports]

    def close(self) -> None:
        """Close the connections."""
        for pipeline in (*self._theirs, *self._endpoints):
            pipeline.close()

    def run(self, start: int, stop: int) -> Tally:
        """Judge and compare reviews `start` up to `stop`.

        Raises:
            WireError: a webhook closed its connection.
            ParseError: the reference said something this harness cannot read.
        """
        tally = Tally()
        for first in range(start, stop, BATCH):
            cases = [
                reviews.case(self._seed, index, self._population) for index in range(first, min(first + BATCH, stop))
            ]
            self._batch(cases, tally)
        return tally

    def _batch(self, cases: list[Case], tally: Tally) -> None:
        bodies = [_encode(case.review) for case in cases]
        sampled = [bool(self._endpoints) and case.index % ENDPOINT_EVERY == 0 for case in cases]
        for case, body, asked in zip(cases, bodies, sampled, strict=True):
            self._theirs[case.world].post([body])
            if asked:
                self._endpoints[case.world].post([body])
        # The webhooks work on these while the function is called here.
        own = [self.own(case, body) for case, body in zip(cases, bodies, strict=True)]
        answers = [iter(pipeline.answers()) for pipeline in self._theirs]
        endpoint_answers = [iter(pipeline.answers()) for pipeline in self._endpoints]
        for case, asked, (decision, body, found) in zip(cases, sampled, own, strict=True):
            theirs = self._reference(case, *next(answers[case.world]))
            self._count(tally, case, theirs, decision)
            self._compare(tally, case, theirs, found)
            if asked:
                tally.endpoint += 1
                self._compare_endpoint(tally, case, next(endpoint_answers[case.world]), body)

    def _reference(self, case: Case, status: int, answer: bytes) -> Verdict:
        """Read the reference's answer; where it ran out of time, ask again."""
        for _ in range(PATIENCE):
            if status != 200:
                raise ParseError(f"review {case.index}: the reference answered {status}: {answer[:200]!r}")
            try:
                return reference(answer, case.review["request"])
            except TransientError:
                status, answer = self._theirs[case.world].ask(_encode(case.review))
        raise ParseError(f"review {case.index}: the reference was out of time {PATIENCE} times: {answer[-500:]!r}")

    def own(self, case: Case, body: bytes) -> tuple[Decision, bytes, Verdict | ParseError]:
        """Our decision, answer and verdict, by function."""
        pods = self._pods.get(case.review["request"].get("namespace", ""))
        decision, answer = ours.decide(body, self._snapshots[case.world], case.labels, pods)
        try:
            return decision, answer, ours.verdict(response_of(answer), decision)
        except ParseError as error:
            return decision, answer, error

    def _count(self, tally: Tally, case: Case, theirs: Verdict, decision: Decision) -> None:
        tally.reviews += 1
        tally.kinds[case.kind] += 1
        tally.outcomes[(theirs.exempt and f"exempt: {theirs.exempt}") or theirs.outcome] += 1
        if decision.modes is None or case.kind.startswith("odd"):
            return
        snapshot = self._snapshots[case.world]
        failed = {found.policy: found.checks for found in (theirs.enforce, theirs.audit, theirs.warn) if found}
        told = {decision.modes.audit} | ({decision.modes.enforce} if decision.enforced else set())
        for mode in told | ({decision.modes.warn} if decision.allowed else set()):
            checks = failed.get(str(mode), frozenset())
            version = str(mode.version)
            for check, _ in snapshot.rules_of(mode):
                (tally.broken if check.id in checks else tally.kept)[check.id, version] += 1

    def _compare(self, tally: Tally, case: Case, theirs: Verdict, found: Verdict | ParseError) -> None:
        if isinstance(found, ParseError):
            tally.disagreements.append(Disagreement(case.index, ("answer",), str(theirs), str(found)))
            return
        fields = differences(theirs, found)
        if not fields:
            return
        name = intended(case, theirs, found, fields)
        if name:
            tally.intended[name] += 1
        else:
            tally.disagreements.append(Disagreement(case.index, tuple(sorted(fields)), str(theirs), str(found)))

    def _compare_endpoint(self, tally: Tally, case: Case, answered: tuple[int, bytes], body: bytes) -> None:
        """Compare the endpoint's answer with the function's; where the server ran out of time, ask again."""
        status, answer = answered
        for _ in range(PATIENCE):
            if status == 200 and answer == body:
                return
            try:
                if status == 200 and _comparable(answer) == _comparable(body):
                    return
                break
            except TransientError:
                status, answer = self._endpoints[case.world].ask(_encode(case.review))
            except (ParseError, msgspec.MsgspecError):
                break
        shown = f"{status} {answer.decode(errors='replace')}"
        tally.disagreements.append(Disagreement(case.index, ("endpoint",), body.decode(errors="replace"), shown))


def _comparable(body: bytes) -> Any:
    """An answer less the wording of a failed look-up, which names a real server's error."""
    response = response_of(body)
    return response.uid, ours.verdict(response)


_worker: list[Worker] = []


def start(setting: Setting) -> None:
    """Prepare this process to `run` ranges; an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker[:] = [Worker(setting)]


def run(start_index: int, stop_index: int) -> Tally:
    """Judge one range in this process, prepared by `start`."""
    return _worker[0].run(start_index, stop_index)

"""The one place that hears of every decision after it is sent: counts it, and logs what an operator must know.

A denial or an error is one line at INFO; an allowed review is one at DEBUG, and costs nothing otherwise. A line names
who asked for what and which checks decided; it never holds a value from the object. Errors are throttled by kind, as
anyone who reaches the port can make them; denials are not, as they are the log's purpose and the apiserver bounds their
rate.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from app.core.decision import Decision
from app.core.evaluate import CLEAN, Fault
from app.observe.logs import with_fields
from app.observe.metrics import Metrics
from app.observe.throttle import Throttle

SUMMARY_SECONDS: Final = 10.0
"""How often the number of lines held back is told."""
_LONGEST: Final = 253
_log: Final = logging.getLogger("pratique.decision")
_errors: Final = logging.getLogger("pratique.error")


class Recorder:
    """Metrics and decision log of one server. Not thread-safe: called on the event loop's thread."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        """Count into `metrics`; whether allowed reviews are logged is decided now, by the level in force."""
        self.metrics = metrics
        self._clock = clock
        self._throttle = Throttle(clock)
        self._told = clock()
        self._verbose = _log.isEnabledFor(logging.DEBUG)

    def record(self, decision: Decision, seconds: float) -> None:
        """Hear of one answered review; `seconds` from its last byte to its answer."""
        self.metrics.record(decision, seconds)
        if not decision.allowed or decision.error or self._verbose or _has_faults(decision):
            self._tell(decision, seconds)

    def refused(self, cause: str, detail: str) -> None:
        """Hear of a request that never became a review; `cause` is one of few words, `detail` one line."""
        self.metrics.error(cause)
        if self._throttle.admit(cause):
            _errors.info("refused", extra=with_fields(cause=cause, detail=_clipped(detail)))

    def flush(self) -> None:
        """Tell how many lines were held back; called about once a second."""
        now = self._clock()
        if now - self._told >= SUMMARY_SECONDS:
            self._told = now
            for kind, count in self._throttle.held_back().items():
                _errors.warning("lines held back", extra=with_fields(cause=kind, count=count))

    def _tell(self, decision: Decision, seconds: float) -> None:
        for fault in _faults(decision):
            self.metrics.error("check")
            if self._throttle.admit(f"check {fault.check}"):
                _errors.error(
                    "a check raised; the review was refused in the modes it runs in",
                    exc_info=fault.error,
                    extra=with_fields(check=fault.check, uid=_clipped(decision.request.uid)),
                )
        cause = _cause(decision)
        if cause:
            self.metrics.error(cause)
            if not self._throttle.admit(cause):
                return
        if decision.allowed and not cause:
            if self._verbose:
                _log.debug("allowed", extra={"fields": _line(decision, seconds)})
            return
        _log.info("allowed" if decision.allowed else "denied", extra={"fields": _line(decision, seconds)})


def _has_faults(decision: Decision) -> bool:
    return bool(
        (decision.audit is not CLEAN and decision.audit.faults) or (decision.warn is not CLEAN and decision.warn.faults)
    )


def _faults(decision: Decision) -> list[Fault]:
    """One fault for each check that raised, in whatever mode."""
    verdicts = (decision.enforce, decision.audit, decision.warn)
    return list({fault.check: fault for verdict in verdicts for fault in verdict.faults}.values())


def _cause(decision: Decision) -> str:
    """One word for why a review could not be judged as meant; empty for an ordinary verdict."""
    if decision.refusal is not None:
        return "request" if decision.refusal.code < 500 else "facts"
    if decision.error:
        return "labels" if decision.label_errors else "facts"
    return ""


def _line(decision: Decision, seconds: float) -> dict[str, Any]:
    request = decision.request
    resource, kind, user = request.resource, request.kind, request.user_info
    name = resource.resource if resource is not None else None
    fields: dict[str, Any] = {
        "uid": _clipped(request.uid),
        "user": _clipped(user.username if user is not None else None),
        "ns": _clipped(request.namespace),
        "kind": _clipped(kind.kind if kind is not None else None),
        "resource": _clipped(f"{name}/{request.request_sub_resource}" if request.request_sub_resource else name),
        "name": _clipped(request.name),
        "operation": _clipped(request.operation),
        "dryRun": bool(request.dry_run),
        "decision": "allow" if decision.allowed else "deny",
        "checks": list(dict.fromkeys(finding.check for finding in decision.enforce.findings)),
        "ms": round(seconds * 1000, 3),
    }
    if decision.modes is not None:
        fields["policy"] = str(decision.modes.enforce)
    if decision.exemption:
        fields["exemption"] = decision.exemption
    if decision.error:
        fields["error"] = _clipped(decision.error)
    return fields


def _clipped(text: str | None) -> str:
    """Keep a caller's word at a length that a name may have in Kubernetes."""
    return "" if text is None else text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""Prometheus metrics, counted in plain dictionaries on the request path and given their shape when scraped.

prometheus_client's own counters take a lock and look a child up by its labels: several microseconds for a request whose
whole judgement takes fifteen. Everything here runs on the event loop's thread, so a dictionary is enough.

No label is the name of a namespace, a user or an object, and what a caller may choose freely (operation, resource) is
counted as `other` unless it is known, so a hostile caller cannot grow the page.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.core.decision import Decision
from app.core.evaluate import CLEAN, Verdict
from app.core.target import CONTROLLERS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_RESOURCES: Final = frozenset({"pods", "namespaces", *(resource for _, resource in CONTROLLERS)})

Key = tuple[str | None, str | None, bool, bool | None]
"""Operation, resource, allowed, dryRun, as they came."""


class Metrics(Collector):
    """All counters of one server; `record` is on the request path, `text` answers a scrape."""

    def __init__(self, version: str, *, process: bool = True) -> None:
        """Start at zero; `process` adds the process's CPU, memory and file descriptors."""
        self._version = version
        self._requests: dict[Key, int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._findings: Counter[tuple[str, str]] = Counter()
        self._exemptions: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._reloads: Counter[tuple[str, bool]] = Counter()
        self._reloaded_at: float | None = None
        self._certificate_expiry: float | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        if process:
            ProcessCollector(registry=self._registry)

    # --- counting ----------------------------------------------------------------------------------------------------

    def record(self, decision: Decision, seconds: float) -> None:
        """Count one answered review; `seconds` from its last byte to its answer."""
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds
        request = decision.request
        resource = request.resource
        key = (
            request.operation,
            resource.resource if resource is not None else None,
            decision.allowed,
            request.dry_run,
        )
        try:
            self._requests[key] += 1
        except KeyError:
            key = _bounded(key)
            self._requests[key] = self._requests.get(key, 0) + 1
        if decision.enforce is not CLEAN:
            self._found("enforce", decision.enforce)
        if decision.audit is not CLEAN:
            self._found("audit", decision.audit)
        if decision.warn is not CLEAN:
            self._found("warn", decision.warn)
        if decision.exemption:
            self._exemptions[decision.exemption] += 1

    def _found(self, mode: str, verdict: Verdict) -> None:
        for check in {finding.check for finding in verdict.findings}:
            self._findings[check, mode] += 1

    def error(self, cause: str) -> None:
        """Count an error; `cause` is a word of ours, never the caller's."""
        self._errors[cause] += 1

    def certificate_expires(self, at: float) -> None:
        """Remember the end of the serving certificate, seconds since 1970."""
        self._certificate_expiry = at

    def configured(self, at: float) -> None:
        """Remember when the configuration in use took effect, seconds since 1970."""
        self._reloaded_at = at

    def reloaded(self, what: str, *, success: bool) -> None:
        """Count an attempt to put a changed file in place."""
        self._reloads[what, success] += 1

    # --- scraping ----------------------------------------------------------------------------------------------------

    def text(self) -> bytes:
        """Give the page of a scrape, in the text format 0.0.4 (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Give the counters their names and labels; called by prometheus_client."""
        requests = CounterMetricFamily(
            "pratique_admission_requests",
            "Reviews answered.",
            labels=("operation", "resource", "decision", "dry_run"),
        )
        counts: Counter[Key] = Counter()
        for key, count in self._requests.items():  # None and False are both "no dry run"
            operation, resource, allowed, dry_run = key
            counts[operation, resource, allowed, bool(dry_run)] += count
        for (operation, resource, allowed, dry_run), count in sorted(counts.items(), key=str):
            labels = (operation or "other", resource or "other", "allow" if allowed else "deny", str(dry_run).lower())
            requests.add_metric(labels, count)
        yield requests
        yield self._durations()
        yield _counter(
            "pratique_check_findings", "Reviews that broke a check.", ("check", "mode"), self._findings.items()
        )
        exemptions = [((kind,), count) for kind, count in self._exemptions.items()]
        yield _counter("pratique_exemptions", "Reviews allowed unjudged.", ("kind",), exemptions)
        errors = [((cause,), count) for cause, count in self._errors.items()]
        yield _counter("pratique_errors", "What could not be judged, looked up or understood.", ("cause",), errors)
        reloads = [
            ((what, "success" if success else "failure"), count) for (what, success), count in self._reloads.items()
        ]
        yield _counter("pratique_reloads", "Changed files put in place.", ("what", "result"), reloads)
        build = GaugeMetricFamily("pratique_build_info", "The running version, as a label.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
        for name, text, value in (
            (
                "pratique_certificate_expiry_timestamp_seconds",
                "End of the serving certificate.",
                self._certificate_expiry,
            ),
            (
                "pratique_config_last_reload_success_timestamp_seconds",
                "When the configuration in use took effect.",
                self._reloaded_at,
            ),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)

    def _durations(self) -> Metric:
        cumulated, total = [], 0
        for bound, count in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
            total += count
            cumulated.append((str(bound), float(total)))
        family = HistogramMetricFamily(
            "pratique_admission_duration_seconds", "Time from the last byte of a review to its answer."
        )
        family.add_metric((), cumulated, self._seconds)
        return family


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts):
        family.add_metric(values, count)
    return family


def _bounded(key: Key) -> Key:
    operation, resource, allowed, dry_run = key
    return (
        operation if operation in _OPERATIONS else "other",
        resource if resource in _RESOURCES else "other",
        allowed,
        dry_run,
    )

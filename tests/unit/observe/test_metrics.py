from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.core.decision import Decision
from app.core.envelope import AdmissionRequest, GroupVersionResource
from app.core.evaluate import Verdict
from app.core.finding import Finding
from app.observe.metrics import BUCKETS, Metrics


def decision(operation: str = "CREATE", resource: str = "pods", *, allowed: bool = True, **fields: Any) -> Decision:
    dry_run = fields.pop("dry_run", None)
    request = AdmissionRequest(
        uid="u", operation=operation, resource=GroupVersionResource("", "v1", resource), dry_run=dry_run
    )
    return Decision(request=request, allowed=allowed, **fields)


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if sample.name == name
    }


def labels(**values: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))


def requests(metrics: Metrics, **values: str) -> float:
    full = {"operation": "CREATE", "resource": "pods", "decision": "allow", "dry_run": "false", **values}
    return samples(metrics, "pratique_admission_requests_total")[labels(**full)]


def test_requests_are_counted_by_what_they_are() -> None:
    metrics = Metrics("1", process=False)
    metrics.record(decision(), 0.001)
    metrics.record(decision(dry_run=False), 0.001)
    metrics.record(decision(dry_run=True), 0.001)
    metrics.record(decision("UPDATE", "deployments", allowed=False), 0.001)
    assert requests(metrics) == 2, "an absent dryRun is no dry run"
    assert requests(metrics, dry_run="true") == 1
    assert requests(metrics, operation="UPDATE", resource="deployments", decision="deny") == 1


def test_what_a_caller_makes_up_cannot_grow_the_page() -> None:
    metrics = Metrics("1", process=False)
    for number in range(100):
        metrics.record(decision(f"OP{number}", f"resource{number}"), 0.001)
    assert samples(metrics, "pratique_admission_requests_total") == {
        labels(operation="other", resource="other", decision="allow", dry_run="false"): 100
    }


def test_durations_fall_into_buckets_with_their_bound() -> None:
    metrics = Metrics("1", process=False)
    for seconds in (0.0005, 0.0006, 99.0):
        metrics.record(decision(), seconds)
    buckets = {
        dict(key)["le"]: value for key, value in samples(metrics, "pratique_admission_duration_seconds_bucket").items()
    }
    assert buckets["0.0005"] == 1
    assert buckets["0.001"] == 2
    assert buckets["10.0"] == 2
    assert buckets["+Inf"] == 3
    assert len(buckets) == len(BUCKETS) + 1
    assert samples(metrics, "pratique_admission_duration_seconds_sum")[()] == 0.0005 + 0.0006 + 99.0


def test_a_check_counts_once_a_review_and_mode() -> None:
    metrics = Metrics("1", process=False)
    finding = Finding("privileged", "spec", "true", "be false", "")
    found = Verdict((finding, finding))
    metrics.record(decision(allowed=False, enforce=found, audit=found), 0.001)
    metrics.record(decision(warn=Verdict((finding,))), 0.001)
    assert samples(metrics, "pratique_check_findings_total") == {
        labels(check="privileged", mode=mode): 1 for mode in ("enforce", "audit", "warn")
    }


def test_exemptions_errors_reloads_and_times() -> None:
    metrics = Metrics("1.2", process=False)
    metrics.record(decision(exemption="user"), 0.001)
    metrics.error("malformed")
    metrics.error("malformed")
    metrics.reloaded("certificate", success=False)
    assert samples(metrics, "pratique_exemptions_total") == {labels(kind="user"): 1}
    assert samples(metrics, "pratique_errors_total") == {labels(cause="malformed"): 2}
    assert samples(metrics, "pratique_reloads_total") == {labels(what="certificate", result="failure"): 1}
    assert samples(metrics, "pratique_build_info") == {labels(version="1.2"): 1}
    assert samples(metrics, "pratique_certificate_expiry_timestamp_seconds") == {}
    metrics.certificate_expires(5.0)
    metrics.configured(6.0)
    assert samples(metrics, "pratique_certificate_expiry_timestamp_seconds") == {(): 5.0}
    assert samples(metrics, "pratique_config_last_reload_success_timestamp_seconds") == {(): 6.0}

"""What each path answers, over real TLS."""

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.webhook import Webhook, review

OPERATIONS = ("/livez", "/readyz", "/metrics", "/version", "/docs", "/openapi.json")


@pytest.mark.parametrize("path", OPERATIONS)
def test_operators_pages_answer(webhook: Webhook, path: str) -> None:
    answer, body = webhook.request("GET", path)
    assert answer.status == 200
    assert body
    assert answer.getheader("server") is None
    assert answer.getheader("date")


@pytest.mark.parametrize("path", OPERATIONS)
def test_head_is_get_without_a_body(webhook: Webhook, path: str) -> None:
    answer, body = webhook.request("HEAD", path)
    assert (answer.status, body) == (200, b"")
    assert int(answer.getheader("content-length") or 0) > 0


@pytest.mark.parametrize("path", OPERATIONS)
def test_other_methods_are_refused_by_name(webhook: Webhook, path: str) -> None:
    answer, _ = webhook.request("POST", path, b"{}")
    assert answer.status == 405
    assert answer.getheader("allow") == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_validate_takes_post_only(webhook: Webhook, method: str) -> None:
    answer, body = webhook.request(method, "/validate")
    assert answer.status == 405
    assert answer.getheader("allow") == "POST"
    assert method == "HEAD" or b"POST" in body


@pytest.mark.parametrize("path", ["/", "/validate/", "/Validate", "/readyz/", "//validate", "/%2e%2e/etc/passwd"])
def test_unknown_paths_are_404_with_the_known_ones(webhook: Webhook, path: str) -> None:
    answer, body = webhook.request("POST", path, review(), content_type="application/json")
    assert answer.status == 404
    assert b"/validate" in body


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/yaml", "application/jsonx"])
def test_other_content_types_are_415(webhook: Webhook, content_type: str) -> None:
    answer, body = webhook.request("POST", "/validate", review(), content_type=content_type)
    assert answer.status == 415
    assert b"application/json" in body


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_content_types_are_judged(webhook: Webhook, content_type: str) -> None:
    answer, body = webhook.request("POST", "/validate", review("abc"), content_type=content_type)
    assert answer.status == 200
    assert json.loads(body)["response"]["uid"] == "abc"


def test_one_connection_carries_many_reviews(webhook: Webhook) -> None:
    client = webhook.client()
    client.connect()
    first = client.sock
    for number in range(50):
        response = webhook.judge(client, review(f"uid-{number}", privileged=number % 2 == 1))
        assert response["uid"] == f"uid-{number}"
        assert response["allowed"] is (number % 2 == 0)
    assert client.sock is first
    client.close()


def test_page_of_the_api_needs_nothing_from_elsewhere(webhook: Webhook) -> None:
    answer, body = webhook.request("GET", "/docs")
    page = body.decode()
    assert answer.getheader("content-security-policy") == "default-src 'none'; style-src 'unsafe-inline'"
    assert not re.search(r"https?://|<script|<link|<img", page)
    assert "/validate" in page


def test_openapi_document_has_every_path(webhook: Webhook) -> None:
    _, body = webhook.request("GET", "/openapi.json")
    document = json.loads(body)
    assert set(document["paths"]) == {"/validate", "/livez", "/readyz", "/metrics", "/version"}
    assert document["paths"]["/validate"]["post"]["parameters"][0]["name"] == "timeout"


def test_version_names_what_runs(webhook: Webhook) -> None:
    _, body = webhook.request("GET", "/version")
    assert set(json.loads(body)) == {"version", "python"}


def test_readiness_lists_its_checks(webhook: Webhook) -> None:
    _, body = webhook.request("GET", "/readyz?verbose")
    assert body.decode().splitlines() == [
        "[+]certificate ok",
        "[+]namespaces ok",
        "[+]shutdown ok",
        "readyz check passed",
    ]
    _, body = webhook.request("GET", "/readyz?verbose&exclude=namespaces&exclude=nonsense")
    assert "[+]namespaces excluded: ok" in body.decode()
    assert "nonsense" in body.decode()


def test_metrics_parse_and_count(webhook: Webhook) -> None:
    def value(name: str, **labels: str) -> float:
        _, body = webhook.request("GET", "/metrics")
        samples = [
            sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(samples)

    allowed = {"operation": "CREATE", "resource": "pods", "decision": "allow", "dry_run": "false"}
    before = value("pratique_admission_requests_total", **allowed)
    denied = value("pratique_check_findings_total", check="privileged", mode="enforce")
    strange = value("pratique_admission_requests_total", resource="other")
    timed = value("pratique_admission_duration_seconds_count")
    client = webhook.client()
    webhook.judge(client, review())
    webhook.judge(client, review(privileged=True))
    webhook.judge(client, review(resource={"group": "", "version": "v1", "resource": "x" * 100}))
    client.close()
    assert value("pratique_admission_requests_total", **allowed) == before + 1
    assert value("pratique_check_findings_total", check="privileged", mode="enforce") == denied + 1
    assert value("pratique_admission_requests_total", resource="other") == strange + 1
    assert value("pratique_admission_duration_seconds_count") == timed + 3
    assert value("pratique_admission_duration_seconds_bucket", le="+Inf") == timed + 3
    assert value("pratique_certificate_expiry_timestamp_seconds") > 1.7e9
    assert value("pratique_config_last_reload_success_timestamp_seconds") > 1.7e9
    assert value("pratique_build_info") == 1
    assert value("process_resident_memory_bytes") > 1e7
    errors = value("pratique_errors_total", cause="content-type")
    webhook.request("POST", "/validate", review(), content_type="text/plain")
    assert value("pratique_errors_total", cause="content-type") == errors + 1


def test_denials_are_logged_with_who_what_and_why(webhook: Webhook) -> None:
    client = webhook.client()
    webhook.judge(client, review("logged-1", privileged=True, dryRun=True))
    webhook.judge(client, review("logged-2"))
    client.close()
    lines = {line["uid"]: line for line in webhook.logged() if line.get("uid", "").startswith("logged-")}
    assert set(lines) == {"logged-1"}, "an allowed review is logged at debug only"
    line = lines["logged-1"]
    assert {
        key: line[key] for key in ("user", "ns", "kind", "resource", "name", "operation", "decision", "checks")
    } == {
        "user": "alice",
        "ns": "shop",
        "kind": "Pod",
        "resource": "pods",
        "name": "web",
        "operation": "CREATE",
        "decision": "deny",
        "checks": ["privileged"],
    }
    assert line["dryRun"] is True
    assert line["ms"] > 0

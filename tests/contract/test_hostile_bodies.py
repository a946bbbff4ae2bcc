"""Bodies that are broken or meant to break: a clear refusal, one line in the log, nothing told, and served on.

Against the real process over TLS. Clients that misbehave below the body are in test_hostile_transport.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import raising_server
from tests.contract.webhook import ROOT, Webhook, answer_of, review
from tests.kube.certs import Authority
from tests.kube.process import Process, wait_for

MIB = 1024 * 1024
DEEP = 10_000
ENV_VALUE = "hunter2-value-of-a-variable"
SECRET_NAME = "name-of-a-secret-ab12"
PLANTED = (ENV_VALUE, SECRET_NAME)
UID = "uid-of-a-hostile-review"
"""Others that are logged are those of `still_serves`."""
INNARDS = rb"Traceback|File \"|\.py\b|app[./](core|server)|policies[./]|site-packages|msgspec|object at 0x"

Json = dict[str, Any]


def pod(**spec: Any) -> Json:
    """A pod that breaks the restricted profile and knows secrets."""
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "env": [
            {"name": "PASSWORD", "value": ENV_VALUE},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": SECRET_NAME, "key": "token"}}},
        ],
        "envFrom": [{"secretRef": {"name": SECRET_NAME}}],
    }
    volumes = [{"name": "certs", "secret": {"secretName": SECRET_NAME}}]
    whole = {"containers": [container], "volumes": volumes, "imagePullSecrets": [{"name": SECRET_NAME}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": whole}


def asked(**request: Any) -> bytes:
    """A review as the apiserver writes it: without white space."""
    whole = json.loads(review(**{"uid": UID, "object": pod(), **request}))
    return json.dumps(whole, separators=(",", ":")).encode()


def with_text(text: str) -> bytes:
    """A review with `text` among the fields of its pod's spec."""
    return asked().decode().replace('"spec":{', '"spec":{' + text, 1).encode()


def without(name: str) -> bytes:
    whole = json.loads(asked())
    del whole["request"][name]
    return json.dumps(whole).encode()


def envelope(**fields: Any) -> bytes:
    return json.dumps({**json.loads(asked()), **fields}).encode()


NO_REVIEWS = {
    "truncated": (asked()[:-40], "AdmissionReview is not valid JSON"),
    "half a key": (asked()[: asked().index(b"envFrom") + 3], "AdmissionReview is not valid JSON"),
    "not UTF-8": (asked().replace(UID.encode(), b"\xff\xfe"), "AdmissionReview is not valid JSON"),
    "UTF-16": (asked().decode().encode("utf-16"), "AdmissionReview is not valid JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + asked(), "AdmissionReview is not valid JSON"),
    "trailing garbage": (asked() + b"{}", "AdmissionReview is not valid JSON"),
    "an array": (b"[" + asked() + b"]", "AdmissionReview does not have the fields of its kind"),
    "a number": (b"7", "AdmissionReview does not have the fields of its kind"),
    "nested too deeply": (b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}", "AdmissionReview is nested too deeply"),
    "nested without end": (b'{"request":{"object":' * DEEP, "AdmissionReview"),
    "a repeated key": (asked().replace(b'"uid":', b'"uid": "x", "uid":'), 'AdmissionReview repeats the key "uid"'),
    "another version": (
        envelope(apiVersion="admission.k8s.io/v1beta1"),
        "not AdmissionReview of admission.k8s.io/v1beta1",
    ),
    "another kind": (envelope(kind="ConversionReview"), "not ConversionReview of admission.k8s.io/v1"),
    "no request": (envelope(request=None), "the AdmissionReview has no request"),
    "no uid": (without("uid"), "the request has no uid"),
    "a uid of another type": (asked(uid=7), "Expected `str | null`, got `int` - at `$.request.uid`"),
    "a pod instead of a review": (json.dumps(pod()).encode(), "not Pod of v1"),
}
"""What no review can be made of: 400, and why."""

DENIED = {
    "nested too deeply where it is read": (with_text(f'"containers": {"[" * DEEP}{"]" * DEEP}, "x": '), 400),
    "nested too deeply where it is not": (with_text(f'"affinity": {"[" * DEEP}{"]" * DEEP}, '), 400),
    "no object": (without("object"), 400),
    "object null": (asked(object=None), 400),
    "object of another type": (asked(object=[pod()]), 400),
    "spec of another type": (asked(object={"spec": "x"}), 400),
    "containers of another type": (asked(object=pod(containers={"name": "a"})), 400),
    "a field of another type": (asked(object=pod(hostNetwork="yes")), 400),
    "a number out of range": (asked(object=pod(securityContext={"runAsUser": 10**30})), 400),
    "a fraction": (asked(object=pod(securityContext={"runAsUser": 0.5})), 400),
    "a repeated key": (with_text('"hostPID": true, "hostPID": false, '), 400),
    "a repeated key, escaped": (with_text('"hostPID": true, "\\u0068ostPID": false, '), 400),
    "an update without the old object": (asked(operation="UPDATE"), 400),
    "an unknown operation": (asked(operation="PATCH"), 400),
    "an unknown kind": (asked(resource={"group": "example.com", "version": "v1", "resource": "gadgets"}), 400),
    "a name that breaks lines": (asked(name='a"\n\x1b[31m\u202e'), 403),
}
"""Reviews that are answered, by a denial that names the cause."""

NOT_JSON = {
    "NaN": with_text('"priority": NaN, '),
    "Infinity": with_text('"priority": -Infinity, '),
    "a lone surrogate": with_text('"hostname": "\\ud800", '),
    "a raw line break": with_text('"hostname": "a\nb", '),
    "an invalid escape": with_text('"hostname": "\\x41", '),
}


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Webhook]:
    with Webhook(tmp_path_factory.mktemp("hostile"), authority, "--drain-seconds=0") as running:
        yield running


@pytest.fixture(autouse=True)
def serves_after(webhook: Webhook) -> Iterator[None]:
    yield
    webhook.still_serves()
    assert not any(secret in webhook.text() for secret in PLANTED)


def post(webhook: Webhook, body: bytes, timeout: str = "10s", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """POST a review; whatever comes back tells no secret and nothing of ours."""
    given = {"Content_Type": "application/json", **headers}
    answer, text = webhook.request("POST", f"/validate?timeout={timeout}", body, **given)
    assert not any(secret.encode() in text for secret in PLANTED)
    assert re.search(INNARDS, text) is None, text
    message = (
        json.loads(text)["response"].get("status", {}).get("message", "") if answer.status == 200 else text.decode()
    )
    assert message.isascii()
    assert all(line.isprintable() for line in message.split("\n"))
    return answer, text


def told(webhook: Webhook, before: int, count: int = 1) -> list[Json]:
    """What was logged of the test's own requests since there were `before` lines, once it is that many."""

    def logged() -> list[Json]:
        new = [line for line in webhook.logged()[before:] if line["message"] != "lines held back"]
        found = [line for line in new if line.get("uid") != "uid-1"]
        return found if len(found) >= count else []

    return wait_for(logged, "a line in the log", 5.0)


@pytest.mark.parametrize("body,reason", NO_REVIEWS.values(), ids=NO_REVIEWS)
def test_what_is_no_review_is_400_with_the_reason(webhook: Webhook, body: bytes, reason: str) -> None:
    before = len(webhook.logged())
    answer, text = post(webhook, body)
    assert answer.status == 400
    assert reason in text.decode()
    assert b"\n" not in text
    assert len(text) < 300
    (line,) = told(webhook, before)
    assert (line["message"], line["cause"], line["detail"]) == ("refused", "malformed", text.decode()[:253])


@pytest.mark.parametrize("body,code", DENIED.values(), ids=DENIED)
def test_what_cannot_be_judged_is_denied_with_the_reason(webhook: Webhook, body: bytes, code: int) -> None:
    before = len(webhook.logged())
    answer, text = post(webhook, body)
    if answer.status == 400:  # too deep even to find out which review it is
        assert code == 400
        assert text == b"AdmissionReview is nested too deeply"
        told(webhook, before)
        return
    response = json.loads(text)["response"]
    assert (answer.status, response["uid"], response["allowed"]) == (200, UID, False)
    assert response["status"]["code"] == code
    (line,) = told(webhook, before)
    assert (line["message"], line["decision"], line["uid"]) == ("denied", "deny", UID)
    if code == 400:
        assert response["status"]["message"].startswith("cannot judge ")
        assert line["error"] == response["status"]["message"]


def test_an_empty_body(webhook: Webhook) -> None:
    before = len(webhook.logged())
    answer, text = post(webhook, b"")
    assert (answer.status, text) == (400, b"the request has no body; POST an AdmissionReview")
    assert [line["cause"] for line in told(webhook, before)] == ["empty"]


@pytest.mark.parametrize(
    "line,headers,status,cause",
    [
        ("GET /validate", {}, 405, "method"),
        ("PUT /validate", {"Content_Type": "application/json"}, 405, "method"),
        ("POST /validate/", {"Content_Type": "application/json"}, 404, "path"),
        ("POST /mutate", {"Content_Type": "application/json"}, 404, "path"),
        ("POST /validate", {"Content_Type": "application/yaml"}, 415, "content-type"),
        ("POST /validate", {"Content_Type": "application/json", "Content_Encoding": "gzip"}, 415, "content-encoding"),
    ],
)
def test_another_method_path_or_type(
    webhook: Webhook, line: str, headers: dict[str, str], status: int, cause: str
) -> None:
    before = len(webhook.logged())
    method, path = line.split()
    answer, text = webhook.request(method, path, asked(), **headers)
    assert answer.status == status
    assert re.search(INNARDS, text) is None
    assert not any(secret.encode() in text for secret in PLANTED)
    assert [found["cause"] for found in told(webhook, before)] == [cause]


def test_values_and_names_that_are_none_of_ours_are_told_nowhere(webhook: Webhook) -> None:
    before = len(webhook.logged())
    _, text = post(webhook, asked())
    assert json.loads(text)["response"]["status"]["code"] == 403
    (line,) = told(webhook, before)
    assert set(line["checks"]) >= {"run-as-non-root", "allow-privilege-escalation"}
    assert not any(secret in json.dumps(line) for secret in PLANTED)


def test_a_body_of_20_mib(webhook: Webhook) -> None:
    before = len(webhook.logged())
    answer, text = post(webhook, asked(options={"x": "x" * (20 * MIB)}))
    assert answer.status == 413
    assert text.startswith(b"the body is larger than 8388608 bytes")
    assert [line["cause"] for line in told(webhook, before)] == ["too-large"]


def test_a_body_of_20_mib_that_does_not_say_so(webhook: Webhook) -> None:
    client = webhook.client()
    client.putrequest("POST", "/validate")
    client.putheader("Content-Type", "application/json")
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders()
    chunk = b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
    try:
        for _ in range(20):
            client.send(chunk)
    except OSError:
        pass  # the server need not take all of it
    assert client.getresponse().status == 413
    client.close()


def large(size: int, image: str) -> Json:
    """A pod of a size, that keeps the restricted profile."""
    good = json.loads(review())["request"]["object"]
    (container,) = good["spec"]["containers"]
    container |= {"image": image, "env": [{"name": "PADDING", "value": "x" * 1000}]}
    container["env"] *= size // len(json.dumps(container["env"][0])) + 1
    assert len(json.dumps(good)) >= size
    return good  # type: ignore[no-any-return]


def test_an_update_of_two_objects_near_the_limit_of_etcd(webhook: Webhook) -> None:
    old, new = large(3 * MIB, "registry.example/web:1"), large(3 * MIB, "registry.example/web:2")
    body = review(operation="UPDATE", object=new, oldObject=old)
    assert len(body) > 6 * MIB
    answer, text = post(webhook, body)
    assert (answer.status, json.loads(text)["response"]["allowed"]) == (200, True)
    new["spec"]["hostPID"] = True
    _, text = post(webhook, review(operation="UPDATE", object=new, oldObject=old))
    assert json.loads(text)["response"]["status"]["details"]["causes"][0]["field"] == "spec.hostPID"


def test_a_body_that_is_slower_than_the_deadline(webhook: Webhook) -> None:
    before = len(webhook.logged())
    body = asked()
    with webhook.connect() as connection:
        head = "POST /validate?timeout=400ms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        started = time.monotonic()
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:100])
        answer = answer_of(connection)
        took = time.monotonic() - started
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert took < 5.0
    assert [line["cause"] for line in told(webhook, before)] == ["body-timeout"]


SERVED = 5
"""A server that does one thing after the other answers one or two before the heavy review and one behind it."""


def served_meanwhile(webhook: Webhook, body: bytes, timeout: str = "10s") -> tuple[Json, float, int]:
    """The response to a heavy review, how long it took, and how many light ones were answered meanwhile."""
    result: dict[str, Any] = {}

    def heavy() -> None:
        started = time.monotonic()
        answer, text = post(webhook, body, timeout)
        result.update(status=answer.status, text=text, took=time.monotonic() - started)

    client = webhook.client()
    assert webhook.judge(client, review())["allowed"] is True
    thread = threading.Thread(target=heavy)
    thread.start()
    light = 0
    while thread.is_alive():
        assert webhook.judge(client, review())["allowed"] is True
        light += 1
    thread.join()
    client.close()
    assert result["status"] == 200
    response: Json = json.loads(result["text"])["response"]
    return response, result["took"], light


def test_a_pod_of_100_000_containers_does_not_hold_up_the_others(webhook: Webhook) -> None:
    containers = [{"name": f"c{number}", "image": "i"} for number in range(100_000)]
    body = asked(object=pod(containers=containers))
    assert len(body) < 8 * MIB
    response, took, light = served_meanwhile(webhook, body)
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert len(response["status"]["message"]) < 32 * 1024
    assert len(response["status"]["details"]["causes"]) <= 500
    assert took < 10.0
    assert light >= SERVED, "others waited for it"


def test_a_body_that_is_slow_to_read_does_not_hold_up_the_others(webhook: Webhook) -> None:
    padding = [{"a": 1, "b": []}] * 250_000
    body = review(object={**pod(), "x": padding})  # has white space, and so is read twice
    response, took, light = served_meanwhile(webhook, body, "30s")
    assert response["allowed"] is False
    assert took < 30.0
    assert light >= SERVED, "others waited for it"


class Raising(Webhook):
    """The server with a check that raises."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super_of_webhook = super(Webhook, self)
        self.authority, self.folder = authority, folder
        self.certificate, self.key = authority.issue("127.0.0.1", "localhost").write(folder, "tls")
        configuration = folder / "psa.yaml"
        configuration.write_text(
            "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n"
            "defaults: {enforce: baseline, audit: privileged, warn: restricted}\n"
        )
        arguments: list[str | Path] = [self.certificate, self.key, configuration]
        command = [sys.executable, "-m", "tests.contract.raising_server", *arguments]
        super_of_webhook.__init__(command, folder / "raising.log", cwd=ROOT)
        self._clients = []


@pytest.fixture(scope="module")
def raising(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Webhook]:
    with Raising(tmp_path_factory.mktemp("raising"), authority) as running:
        yield running


def named(name: str, **fields: Any) -> Json:
    good = json.loads(review())["request"]["object"]
    (container,) = good["spec"]["containers"]
    container |= {"name": name, "env": [{"name": "PASSWORD", "value": ENV_VALUE}]}
    container["securityContext"] |= fields
    return good  # type: ignore[no-any-return]


def test_a_check_that_raises_is_a_denial_that_names_it(raising: Webhook) -> None:
    before = len(raising.logged())
    _, text = post(raising, review(uid="uid-of-the-fault", object=named("boom")))
    response = json.loads(text)["response"]
    assert (response["uid"], response["allowed"]) == ("uid-of-the-fault", False)
    status = response["status"]
    assert (status["code"], status["reason"]) == (500, "InternalError")
    assert status["message"].startswith("Pod shop/web cannot be judged\n\n")
    assert f"{raising_server.ID}: the check failed" in status["message"]
    assert "uid-of-the-fault" in status["message"]
    assert raising_server.DETAIL not in text.decode()
    fault, denial = told(raising, before, 2)
    assert (fault["check"], fault["uid"], fault["level"]) == (raising_server.ID, "uid-of-the-fault", "error")
    assert raising_server.DETAIL in fault["traceback"], "who operates it is told where to look"
    assert (denial["message"], denial["uid"]) == ("denied", "uid-of-the-fault")
    assert ENV_VALUE not in raising.text()
    raising.still_serves()


def test_what_the_other_checks_found_is_told_beside_it(raising: Webhook) -> None:
    _, text = post(raising, review(object=named("late", privileged=True)))
    status = json.loads(text)["response"]["status"]
    assert status["code"] == 403
    assert [cause["reason"] for cause in status["details"]["causes"]] == ["privileged", "raises", "raises"]
    raising.still_serves()


def test_a_check_that_raises_where_it_only_warns_refuses_nothing(raising: Webhook) -> None:
    template = {"spec": named("boom")["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": template},
    }
    group = {"group": "apps", "version": "v1"}
    body = review(
        kind={**group, "kind": "Deployment"}, resource={**group, "resource": "deployments"}, object=deployment
    )
    _, text = post(raising, body)
    response = json.loads(text)["response"]
    assert response["allowed"] is True
    assert response["warnings"] == [f"would be denied by restricted:latest: the check {raising_server.ID} failed"]


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_json_is_taken_strictly(webhook: Webhook, body: bytes) -> None:
    # Comes after the tests that look for their line in the log: of one kind, only so many are written at once.
    answer, text = post(webhook, body)
    assert answer.status == 400
    assert b"AdmissionReview is not valid JSON" in text


def test_the_process_never_died(webhook: Webhook, raising: Webhook) -> None:
    for running in (webhook, raising):
        assert isinstance(running, Process)
        assert running.exit_code is None

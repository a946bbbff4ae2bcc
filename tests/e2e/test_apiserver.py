"""What the apiserver and kubectl do with a webhook's answers: the facts that Pratique's answers are built on.

A stub answers here, so a failure means that Kubernetes changed, not Pratique.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import objects, webhook
from tests.e2e.stub import Call, Reply, Script, StubWebhook, review
from tests.e2e.webhook import AnyCluster
from tests.kube.access import Answer, Result
from tests.kube.certs import Authority
from tests.kube.cluster import Cluster
from tests.kube.process import wait_for

pytestmark = pytest.mark.e2e
STUB = "stub.pratique.dev"
PODS = [{"apiGroups": [""], "resources": ["pods"]}]


@dataclass
class Lab:
    """A namespace whose pods go to a stub; `strict` fails closed, `lenient` fails open."""

    cluster: AnyCluster
    stub: StubWebhook
    strict: str
    lenient: str

    def post(self, script: Script, *, space: str = "", timeout: str = "", name: str = "web") -> Answer:
        """Create a pod (dry run) with the stub answering so."""
        self.stub.script = script
        self.stub.calls.clear()
        pod = objects.pod(name)
        answer: Answer = webhook.create_pod(self.cluster, space or self.strict, pod, dry_run=True, timeout=timeout)
        return answer

    def wait_calls(self, count: int, space: str = "") -> None:
        """Wait until a pod of the namespace leads to so many calls: the apiserver knows the registrations."""

        def called() -> bool:
            self.post(review, space=space)
            return len(self.stub.calls) == count

        wait_for(called, f"{count} calls for a pod")

    def kubectl(self, script: Script, *arguments: str) -> Result:
        """The same with kubectl."""
        self.stub.script = script
        pod = objects.text(objects.pod("web"))
        return self.cluster.kubectl("create", "-n", self.strict, "--dry-run=server", *arguments, "-f", "-", stdin=pod)


@pytest.fixture(scope="module")
def lab(
    cluster: AnyCluster,
    authority: Authority,
    address: str,
    namespaces: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    strict, lenient = (
        namespaces(f"stub-{name}", labels={webhook.OTHER_WEBHOOK: "stub"}) for name in ("fail", "ignore")
    )
    with StubWebhook(authority, tmp_path_factory.mktemp("stub"), address) as stub:
        fail = webhook.configuration(
            "stub-fail", stub.url, authority.pem, selector=webhook.only(strict), name=STUB, rules=PODS
        )
        ignore = webhook.configuration(
            "stub-ignore",
            stub.url,
            authority.pem,
            selector=webhook.only(lenient),
            name=STUB,
            rules=PODS,
            failurePolicy="Ignore",
        )
        with webhook.registered(cluster, fail), webhook.registered(cluster, ignore):
            made = Lab(cluster, stub, strict, lenient)
            for space in (strict, lenient):
                made.wait_calls(1, space)
            yield made


def deny(**status: Any) -> Script:
    return lambda call: review(call, allowed=False, status=status)


def uncalled(answer: Answer) -> bool:
    """Whether the apiserver says that the webhook could not be called."""
    text: str = answer.json["message"]
    return answer.status == 500 and f'failed calling webhook "{STUB}"' in text


# --- answers that count as no answer ---------------------------------------------------------------------------------
def other_uid(call: Call) -> Reply:
    return review(call, uid="0")


def old_version(call: Call) -> Reply:
    content = json.loads(review(call).body)
    return Reply(json.dumps(content | {"apiVersion": "admission.k8s.io/v1beta1"}).encode())


BROKEN: dict[str, Script] = {
    "another uid": other_uid,
    "v1beta1": old_version,
    "no JSON": lambda call: Reply(b"<html>hello</html>", content_type="text/html"),
    "empty": lambda call: Reply(b""),
    "status 500": lambda call: Reply(review(call).body, status=500),
    "status 404": lambda call: Reply(b"{}", status=404),
    "status 403 with a denial": lambda call: Reply(deny(message="no", code=403)(call).body, status=403),
    "a patch": lambda call: review(call, patch="W10=", patchType="JSONPatch"),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_broken_answers_are_no_answer(lab: Lab, script: Script) -> None:
    assert uncalled(lab.post(script))
    assert lab.stub.calls
    assert lab.post(script, space=lab.lenient).status == 201, "fails open where failurePolicy is Ignore"
    assert lab.stub.calls


def test_fail_open_is_recorded(lab: Lab, audited: AnyCluster, own_cluster: Cluster) -> None:
    assert lab.post(BROKEN["no JSON"], space=lab.lenient, name="opened").status == 201
    prefix = "failed-open.validating.webhook.admission.k8s.io/round_0_index_"

    def opened(event: dict[str, Any]) -> list[str]:
        return [value for key, value in event.get("annotations", {}).items() if key.startswith(prefix)]

    assert opened(audited.audit_event(opened)) == [STUB]
    metrics = own_cluster.request("GET", "/metrics").body.decode()
    assert f'apiserver_admission_webhook_fail_open_count{{name="{STUB}",type="validating"}}' in metrics


# --- denials ---------------------------------------------------------------------------------------------------------
def test_denial_passes_reason_and_causes(lab: Lab) -> None:
    causes = [{"reason": "privileged", "message": "is true", "field": "spec.containers[0].securityContext.privileged"}]
    answer = lab.post(deny(message="one\ntwo", code=403, reason="Forbidden", details={"causes": causes}))
    assert answer.status == 403
    status = answer.json
    assert status["message"] == f'admission webhook "{STUB}" denied the request: one\ntwo'
    assert (status["code"], status["reason"], status["details"]["causes"]) == (403, "Forbidden", causes)


@pytest.mark.parametrize("code", [0, 200, 302])
def test_denial_code_is_at_least_400(lab: Lab, code: int) -> None:
    assert lab.post(deny(message="no", code=code)).status == 400


def test_denial_without_message_shows_reason(lab: Lab) -> None:
    assert lab.post(deny(reason="Forbidden")).json["message"].endswith("denied the request: Forbidden")
    assert lab.post(deny()).json["message"].endswith("denied the request without explanation")


def test_kubectl_prints_message_and_reason(lab: Lab, tmp_path: Path) -> None:
    script = deny(message="first line\n  second line", code=403, reason="Forbidden")
    printed = lab.kubectl(script)
    told = f'admission webhook "{STUB}" denied the request: first line\n  second line\n'
    assert printed == Result(1, "", f'Error from server (Forbidden): error when creating "STDIN": {told}')
    file = tmp_path / "web.yaml"
    file.write_text(objects.text(objects.pod("web")))
    applied = lab.cluster.kubectl("apply", "-n", lab.strict, "--dry-run=server", "-f", str(file))
    assert applied.stderr == f'Error from server (Forbidden): error when creating "{file}": {told}'


def test_kubectl_drops_the_message_of_invalid(lab: Lab) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "is true", "field": "spec.x"}]
    details = {"name": "web", "kind": "Pod", "causes": causes}
    printed = lab.kubectl(deny(message="lost", code=422, reason="Invalid", details=details))
    assert printed.code == 1
    assert 'The Pod "web" is invalid' in printed.stderr
    assert "spec.x: is true" in printed.stderr
    assert "lost" not in printed.stderr


def test_one_of_several_denials_is_told(cluster: AnyCluster, lab: Lab, authority: Authority) -> None:
    selector = webhook.only(lab.strict)
    second = webhook.configuration(
        "stub-second", lab.stub.url, authority.pem, selector=selector, name=f"second.{STUB}", rules=PODS
    )
    with webhook.registered(cluster, second):
        lab.wait_calls(2)
        message = lab.post(deny(message="no", code=403)).json["message"]
        assert len(lab.stub.calls) == 2
        assert message.count("denied the request") == 1
    lab.wait_calls(1)


# --- deadlines and dry run -------------------------------------------------------------------------------------------
def test_timeout_parameter_carries_the_budget(lab: Lab) -> None:
    lab.post(review)
    assert lab.stub.calls[0].path == "/validate?timeout=10s"
    lab.post(review, timeout="3s")
    path, _, seconds = lab.stub.calls[0].path.partition("?timeout=")
    assert path == "/validate"
    assert seconds == "3s" or (seconds.startswith("2.9") and seconds.endswith("s"))


def test_late_answer_is_no_answer(lab: Lab) -> None:
    released = threading.Event()

    def late(call: Call) -> Reply:
        released.wait(20)
        return review(call)

    answer = lab.post(late, timeout="1s")
    released.set()
    assert answer.status in {500, 504}
    assert "deadline" in answer.json["message"] or "timeout" in answer.json["message"].lower()


def test_dry_run_reaches_a_webhook_without_side_effects(lab: Lab) -> None:
    lab.post(review)
    assert lab.stub.calls[0].review["request"]["dryRun"] is True


def test_large_update_carries_both_objects(lab: Lab) -> None:
    """Two objects near etcd's limit of 1.5 MiB: what a body limit must let pass."""
    lab.stub.script = review
    big = objects.pod("big")
    big["spec"]["containers"][0]["env"] = [{"name": "PAYLOAD", "value": "x" * 1_400_000}]
    assert webhook.create_pod(lab.cluster, lab.strict, big).status == 201
    lab.stub.calls.clear()
    patch = {"metadata": {"labels": {"touched": "yes"}}}
    answer = lab.cluster.request(
        "PATCH",
        f"/api/v1/namespaces/{lab.strict}/pods/big",
        patch,
        content_type="application/merge-patch+json",
    )
    assert answer.status == 200
    assert len(lab.stub.calls[0].raw) > 2_800_000


# --- warnings and audit annotations ----------------------------------------------------------------------------------
def test_warnings_that_vanish(lab: Lab) -> None:
    sent = ["kept", "new\nline", "tab\there", "bell\x07", "", "kept", "also kept"]
    answer = lab.post(lambda call: review(call, warnings=sent))
    assert answer.warnings == ["kept", "also kept"]


def test_warnings_are_cut_once_they_sum_up(lab: Lab) -> None:
    short = [f"{number} " + "s" * 250 for number in range(15)]
    assert lab.post(lambda call: review(call, warnings=short)).warnings == short
    long = [f"{number:02} " + "l" * 497 for number in range(15)]
    got = lab.post(lambda call: review(call, warnings=long)).warnings
    assert got[0] == long[0][:256]
    assert all(len(text) <= 256 for text in got)


def test_kubectl_prints_warnings(lab: Lab) -> None:
    printed = lab.kubectl(lambda call: review(call, warnings=['he said "no"']))
    assert printed.code == 0
    assert printed.stderr == 'Warning: he said "no"\n'


def test_audit_annotations_with_bad_keys_are_lost(lab: Lab, audited: AnyCluster) -> None:
    keys = {"good-key": "yes", "bad/key": "no", "bad key": "no", "k" * 64: "no"}
    assert lab.post(lambda call: review(call, auditAnnotations=keys)).status == 201
    event = audited.audit_event(lambda event: f"{STUB}/good-key" in event.get("annotations", {}))
    ours = [key for key in event["annotations"] if key.startswith(STUB)]
    assert ours == [f"{STUB}/good-key"]


# --- registration ----------------------------------------------------------------------------------------------------
REFUSED = {
    "a name of two segments": ({"name": "pratique.dev"}, "should be a domain with at least three segments"),
    "timeout 31": ({"timeoutSeconds": 31}, "between 1 and 30"),
    "timeout 0": ({"timeoutSeconds": 0}, "between 1 and 30"),
    "side effects": ({"sideEffects": "Some"}, "sideEffects"),
    "65 match conditions": (
        {"matchConditions": [{"name": f"c{number}", "expression": "true"} for number in range(65)]},
        "64",
    ),
}


@pytest.mark.parametrize("change, says", REFUSED.values(), ids=REFUSED)
def test_registrations_refused(cluster: AnyCluster, authority: Authority, change: dict[str, Any], says: str) -> None:
    configured = webhook.configuration("refused", "https://127.0.0.1:1", authority.pem, selector={}, **change)
    answer = cluster.request("POST", f"{webhook.WEBHOOKS}?dryRun=All", configured)
    assert answer.status == 422
    assert says in answer.json["message"]


def test_registration_defaults(cluster: AnyCluster, authority: Authority) -> None:
    configured = webhook.configuration("defaults", "https://127.0.0.1:1", authority.pem, selector={})
    for field in ("timeoutSeconds", "failurePolicy"):
        del configured["webhooks"][0][field]
    answer = cluster.request("POST", f"{webhook.WEBHOOKS}?dryRun=All", configured)
    hook = answer.json["webhooks"][0]
    assert (hook["timeoutSeconds"], hook["failurePolicy"], hook["matchPolicy"]) == (10, "Fail", "Equivalent")

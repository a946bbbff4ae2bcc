"""When the webhook is away, late, or cannot look something up; and what exactly passes between it and the apiserver."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from tests.e2e import objects, webhook
from tests.e2e.conftest import NamespaceFactory
from tests.e2e.stub import Call, Reply, StubWebhook
from tests.e2e.webhook import NAME, AnyCluster, Webhook
from tests.kube.access import Credentials
from tests.kube.certs import Authority
from tests.kube.cluster import STRANGER, Cluster
from tests.kube.process import wait_for

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("policy, status", [("Fail", 500), ("Ignore", 201)])
def test_webhook_down(
    cluster: AnyCluster,
    namespaces: NamespaceFactory,
    start_webhook: Callable[..., Webhook],
    policy: str,
    status: int,
) -> None:
    """failurePolicy decides, and the webhook counts again as soon as it is back."""
    space = namespaces(f"down-{policy}", enforce="baseline", labels={webhook.OTHER_WEBHOOK: "down"})
    name = f"webhook-down-{policy.lower()}"
    server = start_webhook(name, "--drain-seconds=0")
    with server:
        server.wait_ready()
        configured = server.configuration(name, space, failurePolicy=policy)
        with webhook.registered(cluster, configured):
            webhook.wait_denying(cluster, space)
            assert server.stop() == 0
            answer = webhook.create_pod(cluster, space, objects.privileged_pod("bad"), dry_run=True)
            assert answer.status == status
            if policy == "Fail":
                printed = cluster.kubectl("create", "-n", space, "-f", "-", stdin=objects.text(objects.pod("good")))
                assert printed.code == 1
                assert f'failed calling webhook "{NAME}"' in printed.stderr
            with start_webhook(name, port=server.port) as again:
                again.wait_ready()
                webhook.wait_denying(cluster, space)


@pytest.fixture
def silent_cluster(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig for an API server that accepts connections and says nothing."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(64)
        credentials = Credentials(f"https://127.0.0.1:{mute.getsockname()[1]}", None, "token")
        yield credentials.write_kubeconfig(tmp_path / "silent.kubeconfig")


def test_answers_before_the_deadline(
    cluster: AnyCluster,
    namespaces: NamespaceFactory,
    start_webhook: Callable[..., Webhook],
    silent_cluster: Path,
) -> None:
    """A namespace that cannot be looked up in time is a refusal with its cause, not a bare time-out."""
    space = namespaces("deadline", enforce="baseline", labels={webhook.OTHER_WEBHOOK: "deadline"})
    with start_webhook("webhook-deadline", kubeconfig=silent_cluster) as server:
        server.wait_until(lambda: server.get("/livez")[0] == 200, "alive")
        assert not server.ready()
        configured = server.configuration("pratique-deadline", space)
        with webhook.registered(cluster, configured):

            def refused() -> str:
                answer = webhook.create_pod(cluster, space, objects.pod("any"), dry_run=True, timeout="2s")
                return answer.json["message"] if answer.status >= 400 else ""

            message = wait_for(refused, "the webhook's refusal", 20.0)
            assert f'admission webhook "{NAME}" denied the request: ' in message
            assert space in message
            started = time.monotonic()
            assert refused()
            assert time.monotonic() - started < 2.0


def test_what_passes_between(
    cluster: AnyCluster, namespaces: NamespaceFactory, webhook_direct: Webhook, stub: StubWebhook
) -> None:
    """A recorder between the apiserver and Pratique: each answer keeps to the AdmissionReview contract."""
    space = namespaces(
        "recorded",
        enforce="baseline",
        warn="restricted",
        audit="restricted",
        labels={webhook.OTHER_WEBHOOK: "recorded"},
    )
    answers: list[dict[str, object]] = []
    pool = urllib3.PoolManager(ca_cert_data=webhook_direct.authority.pem.decode())

    def forward(call: Call) -> Reply:
        url = f"https://127.0.0.1:{webhook_direct.port}{call.path}"
        answer = pool.request("POST", url, body=call.raw, headers={"Content-Type": call.headers["Content-Type"]})
        answers.append(json.loads(answer.data))
        return Reply(answer.data, answer.status, answer.headers["Content-Type"])

    stub.script = forward
    configured = webhook_direct.configuration("pratique-recorded", space, url=stub.url)
    with webhook.registered(cluster, configured):
        webhook.wait_denying(cluster, space)
        stub.calls.clear()
        answers.clear()
        outcomes = [
            webhook.create_pod(cluster, space, pod).status
            for pod in (objects.pod("good"), objects.root_pod("root"), objects.privileged_pod("bad"))
        ]
    pool.clear()
    assert outcomes == [201, 201, 403]
    for call, answer in zip(stub.calls, answers, strict=True):
        assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response = answer["response"]
        assert isinstance(response, dict)
        assert response["uid"] == call.review["request"]["uid"]
        assert not set(response) - {"uid", "allowed", "status", "warnings", "auditAnnotations"}
        assert all("/" not in key and len(key) <= 63 for key in response.get("auditAnnotations", {}))
    statuses = [answer["response"].get("status") for answer in answers]  # type: ignore[attr-defined]
    assert statuses[:2] == [None, None]
    assert (statuses[2]["code"], statuses[2]["reason"]) == (403, "Forbidden")


@pytest.fixture
def webhook_direct(start_webhook: Callable[..., Webhook]) -> Iterator[Webhook]:
    with start_webhook("webhook-recorded") as server:
        server.wait_ready()
        yield server


def test_webhook_without_rights(
    own_cluster: Cluster, namespaces: NamespaceFactory, start_webhook: Callable[..., Webhook]
) -> None:
    """A forgotten ClusterRoleBinding is told by the probe and in each denial, not guessed around."""
    space = namespaces("rights", labels={webhook.OTHER_WEBHOOK: "rights"})
    kubeconfig = own_cluster.access(STRANGER).kubeconfig
    with start_webhook("webhook-rights", kubeconfig=kubeconfig) as server:
        server.wait_until(lambda: server.get("/livez")[0] == 200, "alive")
        wait_for(lambda: "forbidden" in server.get("/readyz?verbose")[1], "the reason in /readyz", 10.0)
        assert not server.ready()
        assert "forbidden" in server.text()
        with webhook.registered(own_cluster, server.configuration("pratique-rights", space)):

            def refusal() -> str:
                answer = webhook.create_pod(own_cluster, space, objects.pod("any"), dry_run=True)
                return answer.json["message"] if answer.status >= 400 else ""

            message = wait_for(refusal, "a refusal", 20.0)
            assert "forbidden" in message
            assert f'namespace "{space}"' in message
            assert "stranger-token" not in message + server.text()


def test_apiserver_restart(
    own_cluster: Cluster, namespaces: NamespaceFactory, start_webhook: Callable[..., Webhook]
) -> None:
    """The watch of namespaces breaks with the apiserver, and goes on with it: a label set later takes effect."""
    space = namespaces("restart", labels={webhook.OTHER_WEBHOOK: "restart"})

    def status() -> int:
        answer: int = webhook.create_pod(own_cluster, space, objects.privileged_pod("any"), dry_run=True).status
        return answer

    with start_webhook("webhook-restart") as server:
        server.wait_ready()
        with webhook.registered(own_cluster, server.configuration("pratique-restart", space)):
            own_cluster.restart_apiserver()
            assert server.ready(), "stale labels are better than none"
            labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
            patched = own_cluster.request(
                "PATCH", f"/api/v1/namespaces/{space}", labels, content_type="application/merge-patch+json"
            )
            assert patched.status == 200
            wait_for(lambda: status() == 403, "the label known", 20.0)
            assert server.exit_code is None


@pytest.mark.parametrize("trusted", [True, False], ids=["of the CA", "of another CA"])
def test_client_certificate(
    own_cluster: Cluster,
    namespaces: NamespaceFactory,
    start_webhook: Callable[..., Webhook],
    apiserver_identity: Authority,
    trusted: bool,
) -> None:
    """With --client-ca-file only an apiserver with a certificate of that CA is heard; probes need none."""
    folder = own_cluster.folder / f"webhook-client-ca-{trusted}"
    folder.mkdir()
    client_ca = folder / "client-ca.crt"
    client_ca.write_bytes((apiserver_identity if trusted else Authority("Pratique test stranger CA")).pem)
    space = namespaces(f"client-ca-{trusted}", enforce="baseline", labels={webhook.OTHER_WEBHOOK: "client-ca"})
    with start_webhook(folder.name, f"--client-ca-file={client_ca}") as server:
        server.wait_ready()
        with webhook.registered(own_cluster, server.configuration("pratique-client-ca", space)):
            if trusted:
                webhook.wait_denying(own_cluster, space)
            else:
                wait_for(lambda: unheard(own_cluster, space), "the apiserver, a stranger here, turned away")


def unheard(cluster: AnyCluster, space: str) -> bool:
    """Whether the apiserver says that it could not call the webhook about a good pod."""
    answer = webhook.create_pod(cluster, space, objects.pod("any"), dry_run=True)
    return answer.status == 500 and f'failed calling webhook "{NAME}"' in answer.json["message"]

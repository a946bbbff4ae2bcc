"""Upkeep under load: a new certificate, a new configuration, a rolling restart. Not one request may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.e2e import load, objects, webhook
from tests.e2e.balancer import Balancer
from tests.e2e.conftest import CONFIG, NamespaceFactory
from tests.e2e.webhook import AnyCluster, Webhook
from tests.kube.certs import Authority
from tests.kube.process import wait_for

pytestmark = pytest.mark.e2e
LABELS = {webhook.OTHER_WEBHOOK: "rolling"}


@pytest.fixture
def server(start_webhook: Callable[..., Webhook]) -> Iterator[Webhook]:
    with start_webhook("webhook-upkeep") as started:
        started.wait_ready()
        yield started


def test_certificate_rotation_under_load(cluster: AnyCluster, namespaces: NamespaceFactory, server: Webhook) -> None:
    """Twice: by the same authority, then by a new one that the apiserver was told of before."""
    space = namespaces("rotation", enforce="baseline", labels=LABELS)
    authority, successor = server.authority, Authority("Pratique test CA, the next")
    both = authority.pem + successor.pem
    configured = server.configuration("pratique-rotation", space, trusted=both)
    with webhook.registered(cluster, configured):
        webhook.wait_denying(cluster, space)
        with load.running(cluster, space) as progress:
            for issuer in (authority, successor):
                progress.wait_more(200)
                rotate(server, issuer)
                progress.wait_more(200)
        server.authority = successor
        assert server.ready(), "it serves the successor's certificate"
        webhook.wait_denying(cluster, space)
    assert progress.wrong == []
    assert progress.right >= 800


def rotate(server: Webhook, issuer: Authority) -> None:
    """Write a new certificate over the old one, and wait until new connections get it."""
    before = server.served_certificate()
    issuer.issue(*server.names).write(server.folder)
    wait_for(lambda: server.served_certificate() != before, "the new certificate", 20.0)


def test_broken_certificate_leaves_the_old_one(server: Webhook) -> None:
    before = server.served_certificate()
    file = server.folder / "tls.crt"
    good = file.read_bytes()
    file.write_bytes(b"-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    wait_for(lambda: "tls.crt" in server.text() or "certificate" in server.text(), "a word about it in the log", 20.0)
    assert server.served_certificate() == before
    assert server.ready()
    file.write_bytes(good)


def test_configuration_reload(cluster: AnyCluster, namespaces: NamespaceFactory, server: Webhook) -> None:
    """New defaults take effect without a restart; a broken file leaves the old ones."""
    space = namespaces("reload", labels=LABELS)
    configured = server.configuration("pratique-reload", space)
    config = server.folder / "config.yaml"
    stricter = {**CONFIG, "defaults": {"enforce": "baseline", "audit": "privileged", "warn": "privileged"}}

    def status() -> int:
        answer: int = webhook.create_pod(cluster, space, objects.privileged_pod("any"), dry_run=True).status
        return answer

    with webhook.registered(cluster, configured):
        assert status() == 201
        config.write_text(yaml.safe_dump(stricter))
        wait_for(lambda: status() == 403, "the new defaults", 20.0)
        said = len(server.text())
        config.write_text("kind: [")
        wait_for(lambda: "config.yaml" in server.text()[said:], "a word about the broken file in the log", 20.0)
        assert status() == 403


@pytest.mark.timeout(180)
def test_rolling_restart_under_load(
    cluster: AnyCluster,
    address: str,
    namespaces: NamespaceFactory,
    start_webhook: Callable[..., Webhook],
) -> None:
    """Two replicas behind a Service: each gets SIGTERM, ends by itself with 0, and is replaced."""
    space = namespaces("rolling", enforce="baseline", labels=LABELS)
    replicas = [start_webhook(f"replica-{number}", "--drain-seconds=2") for number in range(2)]
    listen = "127.0.0.1" if address == "127.0.0.1" else "0.0.0.0"
    try:
        for replica in replicas:
            replica.wait_ready()
        with Balancer([replica.port for replica in replicas], listen) as balancer:
            url = f"https://{address}:{balancer.port}"
            configured = replicas[0].configuration("pratique-rolling", space, url=url)
            with webhook.registered(cluster, configured):
                webhook.wait_denying(cluster, space)
                with load.running(cluster, space) as progress:
                    for number in range(2):
                        progress.wait_more(100)
                        retire(replicas[number], balancer, progress)
                        progress.wait_more(100)
                        replicas[number] = start_webhook(f"replica-{number + 2}", "--drain-seconds=2")
                        replicas[number].wait_ready()
                        balancer.ports = (*balancer.ports, replicas[number].port)
                    progress.wait_more(100)
            handed = dict(balancer.handed)
    finally:
        for replica in replicas:
            replica.terminate()
        for replica in replicas:
            replica.stop()
    assert progress.wrong == []
    assert progress.right >= 440
    assert handed.get(replicas[0].port), "the first new replica had everything to itself while the second was replaced"


def retire(replica: Webhook, balancer: Balancer, progress: load.Load) -> None:
    """Stop a replica as a rollout does: the Service goes on sending to it until its readiness is known to be gone."""
    replica.terminate()
    wait_for(lambda: not replica.ready(), "unready after SIGTERM", 5.0)
    progress.wait_more(20)
    balancer.ports = tuple(port for port in balancer.ports if port != replica.port)
    wait_for(lambda: replica.exit_code is not None, f"its end (log: {replica.log})", 30.0)
    assert replica.exit_code == 0

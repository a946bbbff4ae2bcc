"""Certificates that change under a running server, and clients that must show one."""

import hashlib
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.webhook import Webhook, review
from tests.kube.certs import Authority, Pair
from tests.kube.process import Process, wait_for


def served(webhook: Webhook, *, sni: bool = True) -> bytes:
    """Fingerprint of the certificate that a new connection gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = webhook.client(context)
    if sni:
        client.connect()
        connection = client.sock
    else:
        connection = context.wrap_socket(socket.create_connection(("127.0.0.1", webhook.port), timeout=10))
    try:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").digest()
    finally:
        connection.close()


def fingerprint(pair: Pair) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate.decode())).digest()


@pytest.mark.parametrize("sni", [True, False])
def test_a_new_pair_serves_new_connections_and_old_ones_live_on(
    start: Callable[..., Webhook], authority: Authority, *, sni: bool
) -> None:
    webhook = start()
    kept = webhook.client()
    assert webhook.judge(kept, review())["allowed"]
    socket_before = kept.sock
    pair = authority.issue("127.0.0.1", "localhost")
    pair.write(webhook.folder)
    wait_for(lambda: served(webhook, sni=sni) == fingerprint(pair), "the new certificate")
    assert webhook.judge(kept, review())["allowed"]
    assert kept.sock is socket_before, "the connection was not dropped"
    assert "certificate reloaded" in webhook.text()
    _, page = webhook.request("GET", "/metrics")
    assert b'pratique_reloads_total{result="success",what="certificate"} 1.0' in page


def test_a_swap_as_kubelet_does_it(start: Callable[..., Webhook], authority: Authority, tmp_path: Path) -> None:
    def publish(name: str, pair: Pair) -> None:
        pair.write(tmp_path / "mount" / name)
        link = tmp_path / "mount" / "..data.new"
        link.symlink_to(name)
        link.rename(tmp_path / "mount" / "..data")

    first, second = (authority.issue("127.0.0.1", "localhost") for _ in range(2))
    publish("..1", first)
    for file in ("tls.crt", "tls.key"):
        (tmp_path / "mount" / file).symlink_to(f"..data/{file}")
    mount = tmp_path / "mount"
    webhook = start(f"--tls-cert-file={mount}/tls.crt", f"--tls-private-key-file={mount}/tls.key")
    assert served(webhook) == fingerprint(first)
    publish("..2", second)
    wait_for(lambda: served(webhook) == fingerprint(second), "the new certificate")


@pytest.mark.parametrize("fault", ["other key", "no PEM", "missing", "empty"])
def test_a_bad_pair_is_told_and_the_old_one_serves_on(
    start: Callable[..., Webhook], authority: Authority, fault: str
) -> None:
    webhook = start()
    before = served(webhook)
    if fault == "other key":
        webhook.key.write_bytes(authority.issue("127.0.0.1").key)
    elif fault == "no PEM":
        webhook.certificate.write_bytes(b"nonsense")
    elif fault == "missing":
        webhook.key.unlink()
    else:
        webhook.certificate.write_bytes(b"")
    wait_for(lambda: "certificate not reloaded" in webhook.text(), "the report")
    assert served(webhook) == before
    webhook.still_serves()
    _, page = webhook.request("GET", "/metrics")
    assert b'pratique_reloads_total{result="failure",what="certificate"} 1.0' in page
    assert webhook.text().count("certificate not reloaded") == 1
    # A good pair mends it.
    pair = authority.issue("127.0.0.1", "localhost")
    pair.write(webhook.folder)
    wait_for(lambda: served(webhook) == fingerprint(pair), "the new certificate")


@pytest.mark.parametrize("fault", ["other key", "no PEM", "missing"])
def test_a_bad_pair_at_start_is_an_error_of_one_line(tmp_path: Path, authority: Authority, fault: str) -> None:
    webhook = Webhook(tmp_path, authority)
    webhook.stop()
    if fault == "other key":
        webhook.key.write_bytes(authority.issue("127.0.0.1").key)
    elif fault == "no PEM":
        webhook.certificate.write_bytes(b"nonsense")
    else:
        webhook.certificate.unlink()
    again = Process(
        [
            sys.executable,
            "-m",
            "app",
            "serve",
            "--port=0",
            f"--tls-cert-file={webhook.certificate}",
            f"--tls-private-key-file={webhook.key}",
        ],
        tmp_path / "again.log",
    )
    wait_for(lambda: again.exit_code is not None, "the end")
    assert again.exit_code == 2
    assert "Traceback" not in again.text()
    assert str(tmp_path) in again.text()


# --- client certificates ----------------------------------------------------------------------------------------------


@pytest.fixture
def strict(start: Callable[..., Webhook], tmp_path: Path) -> tuple[Webhook, Authority]:
    clients = Authority("clients")
    (tmp_path / "clients.crt").write_bytes(clients.pem)
    return start(f"--client-ca-file={tmp_path / 'clients.crt'}"), clients


def identity(authority: Authority, folder: Path, name: str = "client") -> tuple[Path, Path]:
    return authority.issue(common_name="apiserver", client=True).write(folder, name)


def test_reviews_need_a_certificate_of_the_client_ca(strict: tuple[Webhook, Authority], tmp_path: Path) -> None:
    webhook, clients = strict
    client = webhook.client(webhook.context(identity(clients, tmp_path)))
    assert webhook.judge(client, review())["allowed"]
    client.close()
    answer, body = webhook.request("POST", "/validate", review(), content_type="application/json")
    assert answer.status == 403
    assert b"client certificate" in body
    for path in ("/livez", "/readyz", "/metrics"):
        assert webhook.request("GET", path)[0].status == 200, "probes have no certificate"


def test_a_certificate_of_another_ca_does_not_connect(strict: tuple[Webhook, Authority], tmp_path: Path) -> None:
    webhook, _ = strict
    client = webhook.client(webhook.context(identity(Authority("strangers"), tmp_path)))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        webhook.judge(client, review())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_client_ca_is_reloaded_too(
    strict: tuple[Webhook, Authority], tmp_path: Path, version: ssl.TLSVersion
) -> None:
    webhook, clients = strict
    successor = Authority("successor")
    new = webhook.context(identity(successor, tmp_path, "new"))
    old = webhook.context(identity(clients, tmp_path, "old"))
    old.maximum_version = new.maximum_version = version
    (tmp_path / "clients.crt").write_bytes(successor.pem)
    wait_for(lambda: "certificate reloaded" in webhook.text(), "the reload")
    client = webhook.client(new)
    assert webhook.judge(client, review())["allowed"]
    client.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        webhook.judge(webhook.client(old), review())


def test_a_changed_configuration_takes_effect_and_a_bad_one_does_not(start: Callable[..., Webhook]) -> None:
    webhook = start()
    client = webhook.client()
    assert webhook.judge(client, review(privileged=True))["allowed"] is False
    text = webhook.configuration.read_text()
    webhook.configuration.write_text(text.replace("enforce: restricted", "enforce: privileged"))
    wait_for(lambda: webhook.judge(client, review(privileged=True))["allowed"], "the new configuration")
    webhook.configuration.write_text("nonsense: true")
    wait_for(lambda: "configuration not reloaded" in webhook.text(), "the report")
    assert webhook.judge(client, review(privileged=True))["allowed"]
    client.close()

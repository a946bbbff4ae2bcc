"""Requests over TLS, with certificates, tokens that rotate, proxies, and errors that tell no secrets."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cluster import api as module
from app.cluster.access import Access, CertificateFiles, Static, TokenFile
from app.cluster.api import Api, ApiStatus
from app.cluster.cache import LabelsCache
from app.errors import ClusterError
from tests.kube.certs import Authority
from tests.simulators.kube_api import Drop, KubeApi, Reply
from tests.unit.cluster.conftest import TOKEN, until

PATH = "/api/v1/namespaces/shop"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("server CA")


@pytest.fixture
def secure(authority: Authority) -> Iterator[KubeApi]:
    with KubeApi(authority) as server:
        server.put("shop")
        yield server


def get(access: Access, path: str = PATH, seconds: float = 5.0) -> bytes:
    client = Api(access)
    try:
        return client.get(path, time.monotonic() + seconds)
    finally:
        client.close()


def failure(access: Access, path: str = PATH, seconds: float = 5.0) -> str:
    with pytest.raises(ClusterError) as caught:
        get(access, path, seconds)
    return caught.value.summary


def test_tls_with_the_clusters_authority(secure: KubeApi, authority: Authority) -> None:
    assert b"shop" in get(Access(secure.url, authority=authority.pem))


def test_tls_with_another_authority(secure: KubeApi) -> None:
    told = failure(Access(secure.url, authority=Authority("other CA").pem))
    assert told == f"Kubernetes API {secure.url}: TLS: unable to get local issuer certificate"


def test_tls_with_the_systems_authorities(secure: KubeApi) -> None:
    assert failure(Access(secure.url)) == f"Kubernetes API {secure.url}: TLS: unable to get local issuer certificate"


def test_tls_unverified_where_asked_for(secure: KubeApi) -> None:
    assert b"shop" in get(Access(secure.url, verify=False))


def test_tls_server_name(authority: Authority) -> None:
    with KubeApi(authority, names=("kubernetes",)) as server:
        server.put("shop")
        assert b"shop" in get(Access(server.url, authority=authority.pem, server_name="kubernetes"))
        told = failure(Access(server.url, authority=authority.pem))
        assert told.startswith(f"Kubernetes API {server.url}: TLS: IP address mismatch")


def test_an_authority_that_is_none() -> None:
    told = failure(Access("https://127.0.0.1:1", authority=b"garbage"))
    assert told == "the certificate authority of the API server is no PEM certificate"


def test_a_client_certificate(authority: Authority) -> None:
    clients = Authority("client CA")
    pair = clients.issue(common_name="robot", client=True)
    with KubeApi(authority, clients=clients) as server:
        server.put("shop")
        get(Access(server.url, CertificateFiles(pair.certificate, pair.key), authority=authority.pem))
        seen = server.requests[-1].certificate
    assert seen
    assert "robot" in str(seen["subject"])


def test_a_client_certificate_that_is_none(secure: KubeApi, authority: Authority) -> None:
    told = failure(Access(secure.url, CertificateFiles(b"not", b"PEM"), authority=authority.pem))
    assert told == "the client certificate and key are not a PEM pair without a passphrase"


async def test_a_watch_over_tls_ends_at_once_when_told(secure: KubeApi, authority: Authority) -> None:
    cache = LabelsCache(Api(Access(secure.url, authority=authority.pem)))
    cache.start()
    await until(lambda: cache._watch)
    began = time.monotonic()
    assert cache.stop()
    assert time.monotonic() - began < 1


def test_a_rotated_authority_is_read_again(secure: KubeApi, authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(Authority("old CA").pem)
    client = Api(Access(secure.url, authority=file))
    with pytest.raises(ClusterError, match="TLS"):
        client.get(PATH, time.monotonic() + 5)
    file.write_bytes(authority.pem)
    assert b"shop" in client.get(PATH, time.monotonic() + 5)
    client.close()


def test_a_refused_token_is_read_again_once(server: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    class Rotating(TokenFile):
        def renew(self) -> bool:
            file.write_text(TOKEN)
            return super().renew()

    assert b"shop" in get(Access(server.url, Rotating(file)))
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer old", f"Bearer {TOKEN}"]


def test_a_token_that_stays_refused(server: KubeApi) -> None:
    told = failure(Access(server.url, Static("Bearer wrong-token")))
    assert told == f"Kubernetes API {server.url} answered 401: the credentials are not accepted"
    assert len(server.requests) == 1


def test_what_the_server_says_is_told_in_one_line(server: KubeApi, api: Api) -> None:
    server.script("get", Reply(418, b'{"message":"a\\nb\\u0007' + b"x" * 1000 + b'"}'))
    with pytest.raises(ApiStatus) as caught:
        api.get(PATH, time.monotonic() + 5)
    assert caught.value.status == 418
    assert caught.value.summary == f"Kubernetes API {server.url} answered 418: ab" + "x" * 296


def test_an_answer_that_is_too_large(server: KubeApi, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY", 1 << 20)
    server.script("get", Reply(200, b" " * (2 << 20)))
    with pytest.raises(ClusterError, match="the answer is larger than 1 MiB"):
        api.get(PATH, time.monotonic() + 5)


def test_no_time_left(api: Api) -> None:
    with pytest.raises(ClusterError, match="no time left to ask"):
        api.get(PATH, time.monotonic() - 1)


def test_idle_connections_that_the_server_closed_are_replaced(server: KubeApi, api: Api) -> None:
    assert b"shop" in api.get(PATH, time.monotonic() + 5)
    server.script("get", Drop())
    assert b"shop" in api.get(PATH, time.monotonic() + 5)


def test_a_name_that_does_not_resolve() -> None:
    told = failure(Access("http://does-not-exist.invalid"))
    assert told == "Kubernetes API http://does-not-exist.invalid: the name cannot be resolved"


class _Proxy(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"by proxy")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Quiet."""


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    handler = type("Handler", (_Proxy,), {"seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", handler.seen  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_proxy_from_the_kubeconfig(proxy: tuple[str, list[tuple[str, str | None]]]) -> None:
    address, seen = proxy
    access = Access("http://api.example", proxy=f"http://u:{TOKEN}@{address}")
    assert get(access) == b"by proxy"
    assert seen[0][0] == f"http://api.example{PATH}"
    assert seen[0][1]
    assert TOKEN not in repr(access)


def test_a_proxy_from_the_environment(
    proxy: tuple[str, list[tuple[str, str | None]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    address, seen = proxy
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("NO_PROXY", "direct.invalid")
    assert get(Access("http://api.example")) == b"by proxy"
    assert "resolved" in failure(Access("http://direct.invalid"))
    assert "refused" in failure(Access("http://127.0.0.1:1"))
    assert len(seen) == 1


def test_a_proxy_that_is_not_there_keeps_its_password() -> None:
    told = failure(Access("https://api.example", proxy=f"http://u:{TOKEN}@127.0.0.1:1"))
    assert told == "Kubernetes API https://api.example: the proxy cannot be used"

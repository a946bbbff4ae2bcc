"""Registries behind proxies and mirrors."""

import base64
import socket
import time
from collections.abc import Sequence

import pytest

from app.images.registry import Credential, HostSettings, Kind, Registry, RegistryError, RegistrySettings
from tests.kube.certs import Authority
from tests.simulators import registry_faults as faults
from tests.simulators.registry import MANIFEST, OciRegistry, digest_of
from tests.simulators.registry_faults import Visit
from tests.unit.images.registry.asking import ANN, REPOSITORY, USERS, client, context, soon


def tunnel(seen: list[str], port: int) -> faults.Action:
    """Answer CONNECT as a proxy does."""

    def act(visit: Visit) -> None:
        seen.append(visit.request.headers.get("proxy-authorization", ""))
        visit.raw(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as target:
            pump(visit.connection_socket(), target)

    return act


def pump(one: socket.socket, other: socket.socket) -> None:
    import selectors  # noqa: PLC0415 - for this only

    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select(5):
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)


def test_a_proxy_is_connected_through_and_resolves_names(authority: Authority) -> None:
    with OciRegistry(authority, names=("r.example",)) as registry, OciRegistry() as proxy:
        seen: list[str] = []
        digest = registry.push_image(REPOSITORY)
        proxy.fault(tunnel(seen, registry.port), method="CONNECT")
        rules = registry.client_settings(proxy=f"http://pete:pw@{proxy.netloc}", allow=())
        asked = client(hosts={registry.netloc: rules})
        assert asked.manifest(context(registry), digest, None, soon()).digest == digest
        assert seen == [f"Basic {base64.b64encode(b'pete:pw').decode()}"]
        assert proxy.requests[0].path == registry.netloc
        assert "proxy-authorization" not in registry.requests[0].headers


def test_plain_http_goes_through_a_proxy_too(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY)
    rules = HostSettings(http=True, proxy=plain.url)  # the registry itself answers for the name
    asked = client(hosts={"r.example:5000": rules})
    plain.fault(lambda visit: visit.reply(200, plain.stored(REPOSITORY, digest), {"Content-Type": MANIFEST}))
    assert asked.manifest(f"r.example:5000/{REPOSITORY}", digest, None, soon()).digest == digest
    assert plain.requests[0].headers["host"] == "r.example:5000"


def test_a_proxy_that_refuses(authority: Authority) -> None:
    with OciRegistry() as proxy:
        proxy.fault(faults.reply(403), method="CONNECT")
        asked = client(hosts={"r.example": HostSettings(proxy=proxy.url)})
        with pytest.raises(RegistryError, match="the proxy does not connect to it") as refused:
            asked.manifest("r.example/x", "v1", None, soon())
        assert refused.value.kind is Kind.UNREACHABLE


def test_addresses_are_judged_with_a_proxy_too() -> None:
    with OciRegistry() as proxy:
        asked = Registry(RegistrySettings(default=HostSettings(proxy=proxy.url)))
        for host in ("169.254.169.254", "2130706433.", "127.0.0.1"):
            with pytest.raises(RegistryError):
                asked.manifest(f"{host}:80/x", "v1", None, soon())
        assert proxy.requests == []


def test_a_mirror_is_asked_first_and_the_registry_if_that_has_nothing(authority: Authority) -> None:
    with OciRegistry(authority) as registry, OciRegistry(authority) as mirror:
        both = registry.push_image(REPOSITORY, "v1")
        mirror.push_image(f"hub/{REPOSITORY}", "v1")
        alone = registry.push_image(REPOSITORY, "v2", seed="2")
        asked = client(
            hosts={
                registry.netloc: registry.client_settings(mirrors=(f"{mirror.netloc}/hub",)),
                mirror.netloc: mirror.client_settings(),
            }
        )
        assert asked.manifest(context(registry), "v1", None, soon()).digest == both
        assert registry.requests == []
        assert mirror.paths() == [f"/v2/hub/{REPOSITORY}/manifests/v1"]
        assert asked.manifest(context(registry), "v2", None, soon()).digest == alone
        mirror.fault(faults.hang())
        started = time.monotonic()
        assert asked.manifest(context(registry), alone, None, soon(2.0)).digest == alone
        assert 0.9 < time.monotonic() - started < 1.95  # half of the time


def test_referrers_come_from_the_registry_if_the_mirror_has_none(authority: Authority) -> None:
    with OciRegistry(authority) as registry, OciRegistry(authority, referrers=False) as mirror:
        digest = registry.push_image(REPOSITORY)
        pushed = registry.push_artifact(REPOSITORY, digest, "application/x", [])
        asked = client(
            hosts={
                registry.netloc: registry.client_settings(mirrors=(mirror.netloc,)),
                mirror.netloc: mirror.client_settings(),
            }
        )
        found = asked.referrers(context(registry), digest, None, soon())
        assert found is not None
        assert [one.digest for one in found] == [pushed]


def test_only_mirrors_where_that_is_configured(authority: Authority) -> None:
    with OciRegistry(authority) as registry, OciRegistry(authority) as mirror:
        registry.push_image(REPOSITORY, "v1")
        rules = registry.client_settings(mirrors=(mirror.netloc,), mirrors_only=True)
        asked = client(hosts={registry.netloc: rules, mirror.netloc: mirror.client_settings()})
        with pytest.raises(RegistryError) as refused:
            asked.manifest(context(registry), "v1", None, soon())
        assert refused.value.kind is Kind.NOT_FOUND
        assert registry.requests == []


def test_a_mirror_gets_its_own_credentials_only(authority: Authority) -> None:
    with OciRegistry(authority, users=USERS) as registry, OciRegistry(authority, users={"mia": "mirror"}) as mirror:
        digest = mirror.push_image(REPOSITORY)

        class ByHost:
            def candidates(self, context: str) -> Sequence[Credential]:
                return [Credential("mia", "mirror") if context.startswith(mirror.netloc) else ANN]

        rules = registry.client_settings(mirrors=(mirror.netloc,))
        asked = client(hosts={registry.netloc: rules, mirror.netloc: mirror.client_settings()})
        assert asked.manifest(context(registry), digest, ByHost(), soon()).digest == digest
        assert registry.requests == []


def test_digests_of_the_simulator_are_sha256() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

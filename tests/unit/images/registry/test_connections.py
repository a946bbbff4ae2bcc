"""How the client connects."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.images.registry import HostSettings, Kind, Registry, RegistryError, RegistrySettings
from tests.kube.certs import Authority
from tests.simulators.registry import LOOPBACK, OciRegistry
from tests.unit.images.registry.asking import ANN, REPOSITORY, Source, client, context, soon


def test_connections_are_kept(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY)
    registry = client(locked)
    for _ in range(5):
        registry.manifest(context(locked), digest, Source(ANN), soon())
    assert locked.connections == 1
    locked.disconnect()
    registry.manifest(context(locked), digest, Source(ANN), soon())
    assert locked.connections == 2


def test_many_threads_at_once(locked: OciRegistry) -> None:
    digests = [locked.push_image(REPOSITORY, seed=str(number)) for number in range(8)]
    registry = client(locked, connections=4)
    with ThreadPoolExecutor(16) as threads:
        jobs = [
            threads.submit(registry.manifest, context(locked), digests[number % 8], Source(ANN), soon(20))
            for number in range(120)
        ]
        assert [job.result().digest for job in jobs] == [digests[number % 8] for number in range(120)]
    assert locked.connections <= 16  # four at a time


def test_idle_connections_of_few_hosts_are_kept(authority: Authority) -> None:
    with OciRegistry(authority) as one, OciRegistry(authority) as two:
        registry = client(one, two, pools=1)
        for host in (one, two, one):
            registry.manifest(context(host), host.push_image(REPOSITORY), None, soon())
        assert (one.connections, two.connections) == (2, 1)


def test_the_second_address_is_tried_when_the_first_refuses(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY)
    table = {plain.netloc: plain.client_settings(), f"r.example:{plain.port}": plain.client_settings()}
    registry = Registry(RegistrySettings(hosts=table), lookup=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert registry.manifest(f"r.example:{plain.port}/{REPOSITORY}", digest, None, soon()).digest == digest


def test_plain_http_only_where_it_is_configured(plain: OciRegistry) -> None:
    registry = client(hosts={plain.netloc: HostSettings(allow=LOOPBACK)})
    with pytest.raises(RegistryError) as refused:
        registry.manifest(context(plain), "v1", None, soon())
    assert refused.value.kind is Kind.TLS
    assert plain.requests == []


def test_unverified_tls_only_where_it_is_configured(authority: Authority) -> None:
    with OciRegistry(authority, names=("elsewhere.example",)) as registry:
        netloc = f"127.0.0.1:{registry.port}"
        digest = registry.push_image(REPOSITORY)
        with pytest.raises(RegistryError, match="certificate is not accepted"):
            client(hosts={netloc: registry.client_settings()}).manifest(f"{netloc}/{REPOSITORY}", digest, None, soon())
        lax = client(hosts={netloc: HostSettings(allow=LOOPBACK, skip_verify=True)})
        assert lax.manifest(f"{netloc}/{REPOSITORY}", digest, None, soon()).digest == digest


def test_a_ca_bundle_that_is_none() -> None:
    registry = client(hosts={"r.example": HostSettings(ca_bundle=b"no PEM")})
    with pytest.raises(RegistryError, match="CA bundle configured for it is no PEM"):
        registry.manifest("r.example/x", "v1", None, soon())

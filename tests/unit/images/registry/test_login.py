"""How the client logs in."""

import base64
import socket
import time

import pytest

from app.core.images.reference import Reference
from app.images.registry import Credential, Registry, RegistryError, RegistrySettings
from tests.kube.certs import Authority
from tests.simulators.registry import OciRegistry
from tests.unit.images.registry.asking import ANN, REPOSITORY, USERS, Source, client, context, soon


def test_a_token_is_asked_for_once(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY, "v1")
    registry = client(locked)
    for _ in range(3):
        registry.manifest(context(locked), digest, Source(ANN), soon())
    assert locked.paths().count("/token") == 1
    token = next(request for request in locked.requests if request.path == "/token")
    assert token.query == {"scope": f"repository:{REPOSITORY}:pull", "service": locked.netloc}
    assert token.authorization == f"Basic {base64.b64encode(b'ann:secret-of-ann').decode()}"
    assert locked.requests[-1].authorization == f"Bearer {locked.tokens[REPOSITORY]}"


def test_each_repository_and_each_credential_has_its_own_token(locked: OciRegistry) -> None:
    registry = client(locked)
    digest = ""
    for repository in ("team/app", "team/other"):
        digest = locked.push_image(repository)
        registry.manifest(f"{locked.netloc}/{repository}", digest, Source(ANN), soon())
    with pytest.raises(RegistryError):
        registry.manifest(f"{locked.netloc}/team/app", digest, Source(Credential("eve", "guess")), soon())
    assert locked.paths().count("/token") == 3


def test_a_token_that_expired_is_replaced(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY)
    registry = client(locked)
    registry.manifest(context(locked), digest, Source(ANN), soon())
    locked.tokens.clear()
    registry.manifest(context(locked), digest, Source(ANN), soon())
    assert locked.paths().count("/token") == 2


def test_a_token_is_not_used_past_its_time(locked: OciRegistry) -> None:
    locked.token_seconds = 0.001  # type: ignore[assignment]
    digest = locked.push_image(REPOSITORY)
    registry = client(locked)
    registry.manifest(context(locked), digest, Source(ANN), soon())
    time.sleep(0.002)
    locked.requests.clear()
    registry.manifest(context(locked), digest, Source(ANN), soon())
    assert locked.requests[0].authorization == ""


def test_anonymous_tokens(authority: Authority) -> None:
    with OciRegistry(authority, users=USERS, anonymous=True) as registry:
        digest = registry.push_image(REPOSITORY)
        client(registry).manifest(context(registry), digest, None, soon())
        assert registry.requests[1].path == "/token"
        assert registry.requests[1].authorization == ""


def test_basic(authority: Authority) -> None:
    with OciRegistry(authority, users=USERS, scheme="basic") as registry:
        digest = registry.push_image(REPOSITORY)
        asked = client(registry)
        asked.manifest(context(registry), digest, Source(ANN), soon())
        asked.manifest(context(registry), digest, Source(ANN), soon())
        sent = [bool(request.authorization) for request in registry.requests]
        assert sent == [False, True, True]  # nothing before the registry asks for it


def test_identity_tokens_are_exchanged(locked: OciRegistry) -> None:
    locked.identity_tokens = {"refresh-me"}
    digest = locked.push_image(REPOSITORY)
    client(locked).manifest(context(locked), digest, Source(Credential(identity_token="refresh-me")), soon())
    (posted,) = [request for request in locked.requests if request.method == "POST"]
    assert b"grant_type=refresh_token" in posted.body
    assert b"refresh_token=refresh-me" in posted.body
    assert posted.authorization == ""


def test_registry_tokens_are_sent_as_they_are(locked: OciRegistry) -> None:
    locked.tokens[REPOSITORY] = "ready-made"
    digest = locked.push_image(REPOSITORY)
    client(locked).manifest(context(locked), digest, Source(Credential(registry_token="ready-made")), soon())
    assert "/token" not in locked.paths()


def test_credentials_are_tried_in_order(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY)
    source = Source(Credential("old", "expired-password"), ANN)
    assert client(locked).manifest(context(locked), digest, source, soon()).digest == digest
    assert source.asked[0] == context(locked)


def test_the_constructors_credentials_come_last(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY)
    registry = Registry(RegistrySettings(hosts={locked.netloc: locked.client_settings()}), Source(ANN))
    assert registry.manifest(context(locked), digest, None, soon()).digest == digest
    assert registry.manifest(context(locked), digest, Source(Credential("old", "gone")), soon()).digest == digest
    assert registry.identity(context(locked), None) != registry.identity(context(locked), Source(Credential("o", "g")))


def test_a_registry_of_many_credentials_is_not_asked_for_ever(locked: OciRegistry) -> None:
    source = Source(*(Credential(f"u{n}", "wrong-password") for n in range(50)))
    with pytest.raises(RegistryError):
        client(locked).manifest(context(locked), "v1", source, soon())
    assert locked.paths().count("/token") == 8


@pytest.mark.parametrize("listed", [True, False])
def test_a_token_service_elsewhere_gets_credentials_only_if_listed(authority: Authority, listed: bool) -> None:
    """On two names of this machine: the registry is 127.0.0.1, the token service is localhost."""
    with (
        OciRegistry(authority, users=USERS) as registry,
        OciRegistry(authority, names=("localhost",), users=USERS) as service,
    ):
        digest = registry.push_image(REPOSITORY)
        service.tokens = registry.tokens
        registry.realm = f"{service.url}/token"
        hosts = {
            registry.netloc: registry.client_settings(token_hosts=("localhost",) if listed else ()),
            service.netloc: service.client_settings(),
        }
        asked = client(hosts=hosts)
        if listed:
            assert asked.manifest(context(registry), digest, Source(ANN), soon()).digest == digest
        else:
            with pytest.raises(RegistryError, match="token hosts"):
                asked.manifest(context(registry), digest, Source(ANN), soon())
            assert service.requests == []


def test_docker_hub_is_asked_where_it_serves() -> None:
    asked: list[tuple[str, int]] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port))
        raise socket.gaierror

    with pytest.raises(RegistryError, match=r"^registry index\.docker\.io: "):
        Registry(RegistrySettings(), lookup=lookup).resolve(Reference.parse("nginx"), None, soon())
    assert asked == [("registry-1.docker.io", 443)]

"""What the cases of hostile registries are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.images.registry import Kind, Registry
from tests.simulators import registry_faults as faults
from tests.simulators.registry import MANIFEST
from tests.simulators.registry_faults import Action
from tests.simulators.registry_world import HOST, OK, REPOSITORY, Call, World, call_manifest

TYPED = OK + f"Content-Type: {MANIFEST}\r\n".encode()
CHUNKED = TYPED + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Case:
    name: str
    arrange: Callable[[World], object]
    kind: Kind | None
    call: Call = call_manifest
    check: Callable[[World], object] | None = None
    deadline: float = 3.0
    client: Callable[[World], Registry] | None = None


def fault(action: Action, path: str = "*/manifests/*", **more: float) -> Callable[[World], object]:
    return lambda world: world.fault(action, path, **more)


def answer(body: bytes, content_type: str, **headers: str) -> Action:
    return faults.reply(200, body, Content_Type=content_type, **headers)


def blob(world: World) -> object:
    return world.fetch_blob()


def referrers(world: World) -> object:
    return world.referrers()


def listed(action: Action) -> Callable[[World], object]:
    return fault(action, "*/referrers/*")


def to_other(path: str = "/blob") -> Callable[[World], object]:
    def arrange(world: World) -> None:
        world.other.fault(faults.reply(200, b"signed"), "/blob")
        world.fault(faults.redirect(f"{world.other.url}{path}?signature=canary-signature"), "*/blobs/*")

    return arrange


def nothing_sent_to_other(world: World) -> None:
    assert world.other.requests == []


def no_authorization_at_other(world: World) -> None:
    assert world.other.requests
    assert not any(request.authorization for request in world.other.requests)


def logged_out(arrange: Callable[[World], object]) -> Callable[[World], object]:
    """The client has to log in anew, and meets this."""

    def both(world: World) -> None:
        world.client = world.make()
        arrange(world)

    return both


def realm(text: str | Callable[[World], str], *, anonymous: bool = False) -> Callable[[World], object]:
    def arrange(world: World) -> None:
        world.client = world.make()
        world.registry.realm = text if isinstance(text, str) else text(world)
        if anonymous:
            world.secret = None

    return arrange


def resolved(*addresses: str) -> Callable[[World], object]:
    def arrange(world: World) -> None:
        world.client = world.make()
        world.addresses[HOST] = list(addresses)

    return arrange


def renamed(host: str) -> Callable[[World], object]:
    """The image's reference names this host."""

    def arrange(world: World) -> None:
        world.context = f"{host}:{world.registry.port}/{REPOSITORY}"

    return arrange


def served(manifest: object, media_type: str = MANIFEST) -> Callable[[World], object]:
    return lambda world: world.raw_manifest(manifest, media_type)


def few_requests(world: World) -> None:
    assert len(world.registry.requests) <= 6


def one_request(world: World) -> None:
    assert len(world.registry.requests) == 1


def no_request(world: World) -> None:
    assert world.registry.requests == []

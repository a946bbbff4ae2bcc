"""Registries, token services, name servers and networks that lie, stall, flood and try to get at secrets.

Each case holds the client to the right kind of error, to bounded memory, to its deadline, to silence about credentials
(in errors, logs, and what other hosts receive), and to serving the next request. build/images.json gets the counts.
"""

from __future__ import annotations

import fcntl
import gc
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.images.registry import Kind
from app.images.registry.connections import tls_context
from app.images.registry.sockets import BoundedTlsSocket
from tests.kube.certs import Authority
from tests.simulators import registry_faults as faults
from tests.simulators.registry import OciRegistry
from tests.simulators.registry_case import Case
from tests.simulators.registry_cases_bytes import CONTENT, FRAMING, SIZES
from tests.simulators.registry_cases_hosts import ADDRESSES, LOGIN, REDIRECTS, TIME
from tests.simulators.registry_world import (
    HOST,
    OTHER,
    PASSWORD,
    REPOSITORY,
    World,
    call_manifest,
    described,
    expired,
    judge,
    raw_server,
    self_signed,
    still_serves,
)

pytestmark = pytest.mark.xdist_group("hostile-registry")  # one process counts them
FIGURES = Path(__file__).parents[2] / "build" / "images.json"

begun: set[str] = set()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def world(authority: Authority) -> Iterator[World]:
    with (
        OciRegistry(authority, names=(HOST,), users={"ann": PASSWORD}) as registry,
        OciRegistry(authority, names=(OTHER,)) as other,
    ):
        made = World(authority, registry, other)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> None:
    begun.add(request.node.name)


@pytest.fixture(scope="module", autouse=True)
def figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Write the counts once all cases have run; a part of them says nothing."""
    failures = request.session.testsfailed
    yield
    if len(begun) < len(CASES):
        return
    FIGURES.parent.mkdir(exist_ok=True)
    with FIGURES.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        content = file.read()
        found = json.loads(content) if content.strip() else {}
        failed = request.session.testsfailed - failures
        found["hostile_registry"] = {"cases": len(begun), "passed": len(begun) - failed}
        file.seek(0)
        file.truncate()
        file.write(json.dumps(found, indent=2, sort_keys=True) + "\n")


CASES = [*SIZES, *CONTENT, *FRAMING, *TIME, *REDIRECTS, *LOGIN, *ADDRESSES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile(case: Case, world: World, caplog: pytest.LogCaptureFixture) -> None:
    if case.client is not None:
        world.client = case.client(world)
    world.login()
    world.deadline = case.deadline
    context = world.context
    case.arrange(world)
    judge(world, case.call, case.kind, caplog)
    if case.check is not None:
        case.check(world)
    world.context = context
    still_serves(world)


@pytest.mark.parametrize("make", ["expired", "wrong host", "self-signed", "unknown authority"])
def test_certificates_that_are_not_good(
    make: str, world: World, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = {
        "expired": lambda: expired(authority, HOST),
        "wrong host": lambda: authority.issue("elsewhere.example"),
        "self-signed": lambda: self_signed(HOST),
        "unknown authority": lambda: Authority("Another").issue(HOST),
    }
    pair = pairs[make]()
    with OciRegistry(pair=pair, names=(HOST,)) as impostor:
        world.client = world.make(hosts={impostor.netloc: world.registry.client_settings()})
        context, world.context = world.context, f"{impostor.netloc}/{REPOSITORY}"
        outcome = judge(world, call_manifest, Kind.TLS, caplog)
        assert "certificate" in str(outcome.error)
        assert impostor.requests == []
        world.context = context
    still_serves(world)


def drip_handshake(connection: object, closed: object) -> None:
    header = b"\x16\x03\x03\x40\x00"
    for byte in header + bytes(2000):
        if closed.wait(0.02):  # type: ignore[attr-defined]
            return
        connection.sendall(bytes([byte]))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (drip_handshake, Kind.TIMEOUT),
        (lambda connection, closed: closed.wait(), Kind.TIMEOUT),
        (lambda connection, closed: connection.sendall(b"\0" * 4096), Kind.TLS),
        (lambda connection, closed: connection.sendall(b"HTTP/1.1 401 Unauthorized\r\n\r\n"), Kind.TLS),
        (lambda connection, closed: connection.close(), Kind.UNREACHABLE),
    ],
    ids=["handshake byte by byte", "handshake never answered", "handshake garbage", "plain HTTP", "handshake cut off"],
)
def test_handshakes(act: Callable, kind: Kind, world: World, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[type-arg]
    with raw_server(act) as port:
        world.client = world.make(hosts={f"{HOST}:{port}": world.registry.client_settings()})
        context, world.context = world.context, f"{HOST}:{port}/{REPOSITORY}"
        world.deadline = 0.6
        judge(world, call_manifest, kind, caplog)
        world.context = context
    still_serves(world)


def test_busy_connections_do_not_hold_others_past_their_deadline(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.client = world.make(connections=1)
    world.login()
    world.fault(faults.hang())
    with ThreadPoolExecutor(1) as threads:
        world.deadline = 1.5
        first = threads.submit(world.manifest)
        while not world.registry.requests:
            time.sleep(0.01)
        world.deadline = 0.3
        outcome = judge(world, call_manifest, Kind.TIMEOUT, caplog)
        assert outcome.seconds < 1.2
        assert first.exception() is not None
    still_serves(world)


def open_sockets() -> int:
    return sum(isinstance(one, BoundedTlsSocket) and one.fileno() >= 0 for one in gc.get_objects())


def test_a_hundred_slow_registries_leave_no_threads_and_no_sockets_behind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_sockets()
    world.login()
    world.fault(faults.hang())
    world.deadline = 0.5
    with ThreadPoolExecutor(20) as threads:
        tried = [threads.submit(world.manifest) for _ in range(100)]
        kinds = {getattr(one.exception(), "kind", None) for one in tried}
    assert kinds == {Kind.TIMEOUT}
    still_serves(world)
    assert open_sockets() - before <= 16  # those that are kept for the next request
    assert not [thread for thread in threading.enumerate() if thread.name == "registry-name"]


def test_what_the_registry_itself_gets_is_only_what_is_meant_for_it(world: World) -> None:
    world.login()
    world.manifest()
    sent = [described(request) for request in world.registry.requests]
    assert all(PASSWORD not in text for text in sent)  # the token only: the password goes to the token service


def test_contexts_trust_nothing_old() -> None:
    assert tls_context(b"", accept_any=False).minimum_version is ssl.TLSVersion.TLSv1_2

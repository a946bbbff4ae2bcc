"""What the suite of hostile registries shares: a registry, another host, a client with secrets, and what must hold.

Names end in .example and are resolved by the world's own table, so that nothing leaves this machine.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.images.registry import Credential, HostSettings, Kind, Registry, RegistryError, RegistrySettings
from tests.kube.certs import Authority, Pair
from tests.simulators.registry import INDEX, LOOPBACK, MANIFEST, Layer, OciRegistry, digest_of
from tests.simulators.registry_faults import Action, Request

HOST = "r.example"
OTHER = "other.example"
REPOSITORY = "team/app"
PASSWORD = "canary-password-5e884898da28"
TOKEN = "canary-token-6b51d431df5d"
CANARIES = (PASSWORD, TOKEN, "Y2FuYXJ5", "YW5uOmNhbmFyeS")  # the last two: how base64 of them begins
MEMORY = 40 * 1024 * 1024
"""Bytes that one call may allocate at most: a few times its largest limit."""
SLACK = 1.5
"""Seconds that a call may outlive its deadline on a busy machine."""
OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Secret:
    """A source of one credential."""

    credential: Credential = field(default_factory=lambda: Credential("ann", PASSWORD))

    def candidates(self, context: str) -> Sequence[Credential]:
        return (self.credential,)


class World:
    """One registry with an image, a referrer and a blob; another host; a client that is logged in."""

    def __init__(self, authority: Authority, registry: OciRegistry, other: OciRegistry, **settings: Any) -> None:
        self.authority = authority
        self.registry = registry
        self._clients: list[Registry] = []
        self.other = other
        self.lookups: list[str] = []
        self.addresses: dict[str, list[str]] = {HOST: ["127.0.0.1"], OTHER: ["127.0.0.1"]}
        self.digest = registry.push_image(REPOSITORY, "v1")
        self.artifact = registry.push_artifact(REPOSITORY, self.digest, "application/x", [Layer(b"signed", "text/x")])
        self.blob = digest_of(b"signed")
        self.context = f"{registry.netloc}/{REPOSITORY}"
        self.secret: Secret | None = Secret()
        self.deadline = 3.0
        registry.tokens[REPOSITORY] = TOKEN
        self.client = self.make(**settings)

    def make(self, *, hosts: dict[str, HostSettings] | None = None, **settings: Any) -> Registry:
        """Another client; `hosts` are set besides the world's two."""
        table = {
            self.registry.netloc: self.registry.client_settings(),
            self.other.netloc: HostSettings(ca_bundle=self.authority.pem, allow=LOOPBACK),
            **(hosts or {}),
        }
        return self.keep(Registry(RegistrySettings(hosts=table, **settings), lookup=self.lookup))

    def keep(self, client: Registry) -> Registry:
        """Have a client closed in the end."""
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def lookup(self, host: str, port: int) -> Sequence[str]:
        self.lookups.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.addresses[host]

    def until(self) -> float:
        return time.monotonic() + self.deadline

    def login(self) -> Self:
        """Make the client know a token, so that what follows is sent with it."""
        self.client.manifest(self.context, self.digest, self.secret, time.monotonic() + 10)
        self.registry.requests.clear()
        self.lookups.clear()
        return self

    def fault(self, action: Action, path: str = "*/manifests/*", **more: Any) -> None:
        self.registry.fault(action, path, **more)

    def raw_manifest(self, manifest: object, media_type: str = MANIFEST) -> str:
        """Serve this as a manifest; gives its digest."""
        self.digest = self.registry.push_manifest(REPOSITORY, manifest, media_type)
        return self.digest

    def content(self) -> bytes:
        """The manifest that is asked for."""
        return self.registry.stored(REPOSITORY, self.digest)

    # What is called.

    def manifest(self) -> Any:
        return self.client.manifest(self.context, self.digest, self.secret, self.until())

    def fetch_blob(self) -> Any:
        return self.client.blob(self.context, self.blob, self.secret, self.until())

    def referrers(self) -> Any:
        return self.client.referrers(self.context, self.digest, self.secret, self.until())


Call = Callable[[World], Any]


def call_manifest(world: World) -> Any:
    return world.manifest()


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    value: Any
    error: RegistryError | None
    seconds: float


def judge(world: World, call: Call, kind: Kind | None, caplog: pytest.LogCaptureFixture) -> Outcome:
    """Make a call and hold it to what all calls are held to. `kind` None: it has to succeed."""
    caplog.set_level(logging.DEBUG)
    value, error = None, None
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    started = time.monotonic()
    try:
        value = call(world)
    except RegistryError as raised:
        error = raised
    seconds = time.monotonic() - started
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert (error.kind if error else None) == kind, f"{error!r} {value!r}"[:2000]
    assert peak < MEMORY
    assert seconds < world.deadline + SLACK
    texts = [caplog.text, *(record.getMessage() for record in caplog.records)]
    if error is not None:
        texts += [str(error), repr(error), error.diagnosis, repr(error.args)]
        assert world.context.partition("/")[0] in error.summary
        assert "\n" not in error.summary
        assert len(error.summary) < 1000
    texts += [described(request) for request in world.other.requests]
    for text in texts:
        assert not any(canary.lower() in text.lower() for canary in CANARIES), text
    return Outcome(value, error, seconds)


def described(request: Request) -> str:
    return f"{request.method} {request.path} {request.query} {request.headers} {request.body!r}"


def still_serves(world: World) -> None:
    """The next request gets its answer from the healed registry."""
    world.registry.heal()
    world.registry.realm, world.registry.scheme = "", "bearer"
    world.registry.tokens[REPOSITORY] = TOKEN
    world.addresses[HOST] = ["127.0.0.1"]
    good = world.registry.push_image(REPOSITORY, "after", seed="after")
    found = world.client.manifest(world.context, good, Secret(), time.monotonic() + 10)
    assert found.digest == good


@contextmanager
def raw_server(act: Callable[[socket.socket, threading.Event], None]) -> Generator[int]:
    """A TCP server below the level of HTTP and TLS; gives its port."""
    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not closed.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                act(connection, closed)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            closed.set()
            thread.join(5)


def expired(authority: Authority, name: str) -> Pair:
    """A certificate of the authority that was good until an hour ago."""
    return _certificate(name, authority._name, authority._key, dt.timedelta(hours=-1))


def self_signed(name: str) -> Pair:
    return _certificate(name, None, None, dt.timedelta(days=1))


def _certificate(
    name: str, issuer: x509.Name | None, signer: ec.EllipticCurvePrivateKey | None, ends: dt.timedelta
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - relative to the clock that checks it
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer or key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), pem)


def bomb() -> bytes:
    """64 MiB of spaces, compressed."""
    return gzip.compress(b" " * (64 << 20), 1)


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def descriptors(count: int, first: int = 0) -> bytes:
    """A page of referrers that nobody has."""
    entries = [
        {"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 1, "artifactType": "application/x"}
        for number in range(first, first + count)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()

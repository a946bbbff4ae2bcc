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
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.core.images.reference import Reference
from app.images.registry import Credential, Kind, Registry
from app.images.registry.connections import tls_context
from app.images.registry.sockets import BoundedTlsSocket
from tests.kube.certs import Authority
from tests.simulators import registry_faults as faults
from tests.simulators.registry import INDEX, MANIFEST, OciRegistry
from tests.simulators.registry_faults import Action, Visit
from tests.simulators.registry_world import (
    HOST,
    OK,
    OTHER,
    PASSWORD,
    REPOSITORY,
    TOKEN,
    Call,
    Secret,
    World,
    bomb,
    call_manifest,
    deep,
    described,
    descriptors,
    expired,
    judge,
    raw_server,
    self_signed,
    still_serves,
)

pytestmark = pytest.mark.xdist_group("hostile-registry")  # one process counts them
FIGURES = Path(__file__).parents[2] / "build" / "images.json"
TYPED = OK + f"Content-Type: {MANIFEST}\r\n".encode()
GIB = str(1 << 30)

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
        yield World(authority, registry, other)


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


IMAGE = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}
AMBIGUOUS = {**IMAGE, "manifests": []}
_BOTH = TYPED + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
_CHUNKED = TYPED + b"Transfer-Encoding: chunked\r\n\r\n"

SIZES = [
    Case("1 GiB manifest by header", fault(answer(b"{}", MANIFEST, Content_Length=GIB)), Kind.TOO_LARGE),
    Case("1 GiB blob by header", fault(answer(b"{}", "x/y", Content_Length=GIB), "*/blobs/*"), Kind.TOO_LARGE, blob),
    Case("endless chunked manifest", fault(faults.endless_chunks(MANIFEST)), Kind.TOO_LARGE, deadline=10),
    Case("endless chunked blob", fault(faults.endless_chunks("x/y"), "*/blobs/*"), Kind.TOO_LARGE, blob, deadline=10),
    Case("endless referrers", listed(faults.endless_chunks(INDEX)), Kind.TOO_LARGE, referrers, deadline=10),
    Case("endless body without a length", fault(faults.endless(TYPED + b"\r\n", b" " * 65536)), Kind.TOO_LARGE),
    Case(
        "endless chunks of one byte",
        fault(faults.endless(_CHUNKED, b"1\r\nx\r\n" * 1000)),
        Kind.TOO_LARGE,
        client=lambda world: world.make(manifest_bytes=65536),
    ),
    Case("endless size of a chunk", fault(faults.endless(_CHUNKED, b"0" * 4096)), Kind.PROTOCOL),
    Case("endless extension of a chunk", fault(faults.endless(_CHUNKED + b"1;", b"x" * 4096)), Kind.PROTOCOL),
    Case(
        "endless trailers",
        fault(faults.endless(_CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n" * 1000)),
        Kind.TOO_LARGE,
        client=lambda world: world.make(manifest_bytes=65536),
    ),
    Case("endless header", fault(faults.endless(OK + b"X-Long: ", b"x" * 4096)), Kind.TOO_LARGE),
    Case("endless headers", fault(faults.endless(OK, b"X-Many: 1\r\n" * 100)), Kind.TOO_LARGE),
    Case("endless status line", fault(faults.endless(b"HTTP/1.1 200 ", b"O" * 4096)), Kind.TOO_LARGE),
    Case("endless 100-continue", fault(faults.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)), Kind.TOO_LARGE),
    Case("endless token", logged_out(fault(faults.endless_chunks("application/json"), "/token")), Kind.TOO_LARGE),
    Case("endless error body", fault(faults.endless(b"HTTP/1.1 404 No\r\n\r\n", b"x" * 65536)), Kind.NOT_FOUND),
    Case("gzip bomb", fault(answer(bomb(), MANIFEST, Content_Encoding="gzip")), Kind.PROTOCOL),
    Case("unknown encoding", fault(answer(b"x", "x/y", Content_Encoding="zstd"), "*/blobs/*"), Kind.PROTOCOL, blob),
    Case("10,000 referrers", listed(answer(descriptors(10_000), INDEX)), None, referrers),
    Case("10,001 referrers", listed(answer(descriptors(10_001), INDEX)), Kind.TOO_LARGE, referrers),
    Case("nested 200,000 deep", served(deep(200_000)), Kind.PROTOCOL),
    Case("nested 65 deep", served({**IMAGE, "x": json.loads(deep(64))}), Kind.PROTOCOL),
    Case("nested 64 deep", served({**IMAGE, "x": json.loads(deep(63))}), None),
    Case("referrers nested deep", listed(answer(deep(200_000), INDEX)), Kind.PROTOCOL, referrers),
    Case("token nested deep", logged_out(fault(answer(deep(30_000), "application/json"), "/token")), Kind.PROTOCOL),
]


def lying_head(world: World) -> None:
    world.digest = f"sha256:{'1' * 64}"
    headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": world.digest}
    world.fault(lambda visit: visit.reply(200, b'{"schemaVersion":2,"layers":[]}', headers))


def resolve(world: World) -> object:
    return world.client.resolve(Reference.parse(f"{world.context}:v1"), world.secret, world.until())


def sha512_head(world: World) -> None:
    world.fault(faults.reply(200, b"", Docker_Content_Digest=f"sha512:{'a' * 128}"), method="HEAD")


def pages_in_a_circle(world: World) -> None:
    link = f'</v2/{REPOSITORY}/referrers/{world.digest}?n=1>; rel="next"'
    world.fault(answer(descriptors(1), INDEX, Link=link), "*/referrers/*")


def endless_pages(visit: Visit) -> None:
    number = int(visit.request.query.get("n", "0")) + 1
    link = f'<{visit.request.path}?n={number}>; rel="next"'
    visit.reply(200, descriptors(1, number), {"Content-Type": INDEX, "Link": link})


def page_elsewhere(world: World) -> None:
    link = f'<{world.other.url}/v2/{REPOSITORY}/referrers/{world.digest}?n=1>; rel="next"'
    world.fault(answer(descriptors(1), INDEX, Link=link), "*/referrers/*")


def page_of_other_repository(world: World) -> None:
    link = f'</v2/team/secret/referrers/{world.digest}?n=1>; rel="next"'
    world.fault(answer(descriptors(1), INDEX, Link=link), "*/referrers/*")


def cycle(world: World) -> None:
    world.registry.push_artifact(REPOSITORY, world.artifact, "application/x", [])
    subject = {"mediaType": MANIFEST, "digest": world.artifact, "size": 1}
    page = {"schemaVersion": 2, "manifests": [subject, {**subject, "digest": world.digest}]}
    world.fault(answer(json.dumps(page).encode(), INDEX), "*/referrers/*")


def one_request(world: World) -> None:
    assert len(world.registry.requests) == 1


def sha512_asked(world: World) -> None:
    world.digest = f"sha512:{'a' * 128}"


def no_request(world: World) -> None:
    assert world.registry.requests == []


CONTENT = [
    Case("manifest of another digest, in the right one's name", lying_head, Kind.PROTOCOL),
    Case("blob of another digest", fault(faults.reply(200, b"forged"), "*/blobs/*"), Kind.PROTOCOL, blob),
    Case("empty manifest", fault(answer(b"", MANIFEST)), Kind.PROTOCOL),
    Case("HEAD and GET differ", lying_head, Kind.PROTOCOL, resolve),
    Case("HEAD with a digest of another algorithm", sha512_head, None, resolve),
    Case("digest of another algorithm asked for", sha512_asked, Kind.PROTOCOL, check=no_request),
    Case("HTML", fault(answer(b"<html>", "text/html")), Kind.PROTOCOL),
    Case("manifest called an index", served(IMAGE, INDEX), Kind.PROTOCOL),
    Case("manifest called a blob", served(IMAGE, "application/octet-stream"), Kind.PROTOCOL),
    Case("both index and manifest", served(AMBIGUOUS), Kind.PROTOCOL),
    Case("both manifest and index", served(AMBIGUOUS, INDEX), Kind.PROTOCOL),
    Case("neither index nor manifest", served({"schemaVersion": 2}), Kind.PROTOCOL),
    Case("mediaType of another kind", served({**IMAGE, "mediaType": INDEX}), Kind.PROTOCOL),
    Case("schema version 1", served({**IMAGE, "schemaVersion": 1}), Kind.PROTOCOL),
    Case("manifest that is no JSON", served(b"not json"), Kind.PROTOCOL),
    Case("manifest that is no UTF-8", served(b'{"schemaVersion":2,"layers":[],"mediaType":"\xff"}'), Kind.PROTOCOL),
    Case("pages of referrers in a circle", pages_in_a_circle, Kind.PROTOCOL, referrers),
    Case("pages of referrers without end", listed(endless_pages), Kind.TOO_LARGE, referrers),
    Case("next page on another host", page_elsewhere, Kind.PROTOCOL, referrers, nothing_sent_to_other),
    Case("next page of another repository", page_of_other_repository, Kind.PROTOCOL, referrers, one_request),
    Case("referrers that refer to each other", cycle, None, referrers, one_request),
    Case("referrers that are no JSON", listed(answer(b"{", INDEX)), Kind.PROTOCOL, referrers),
    Case("referrers without an API, in HTML", listed(answer(b"<html>", "text/html")), None, referrers),
]


def slow_hops(world: World) -> None:
    world.fault(faults.delay(0.45, faults.redirect(lambda request: f"{request.path}?again")))


def slow_names(world: World) -> None:
    world.client = world.make()
    resolve_at_once = world.lookup

    def lookup(host: str, port: int) -> list[str]:
        time.sleep(2)
        return list(resolve_at_once(host, port))

    world.client = Registry(world.client._settings, lookup=lookup)


SLOW = OK + b"Content-Type: text/plain\r\nX-Padding: " + b"x" * 500
TIME = [
    Case("silence", fault(faults.hang()), Kind.TIMEOUT, deadline=0.5),
    Case("head byte by byte", fault(faults.drip(SLOW, 0.05)), Kind.TIMEOUT, deadline=0.6),
    Case(
        "body byte by byte",
        fault(faults.drip(TYPED + b"Content-Length: 900\r\n\r\n" + b" " * 900, 0.004)),
        Kind.TIMEOUT,
        deadline=0.8,
    ),
    Case("chunks byte by byte", fault(faults.drip(_CHUNKED + b"1\r\nx\r\n" * 99, 0.004)), Kind.TIMEOUT, deadline=0.8),
    Case("blob byte by byte", fault(faults.drip(SLOW, 0.05), "*/blobs/*"), Kind.TIMEOUT, blob, deadline=0.6),
    Case("token byte by byte", logged_out(fault(faults.drip(SLOW, 0.05), "/token")), Kind.TIMEOUT, deadline=0.8),
    Case("redirects that take long", slow_hops, Kind.TIMEOUT, deadline=1.0),
    Case("names that take long", slow_names, Kind.TIMEOUT, deadline=0.5),
    Case("no time at all", fault(faults.hang()), Kind.TIMEOUT, deadline=0.0, check=no_request),
    Case("429 forever", fault(faults.reply(429)), Kind.RATE_LIMITED, check=few_requests),
    Case("429 for an hour", fault(faults.reply(429, Retry_After="3600")), Kind.RATE_LIMITED, check=one_request),
    Case("429 for ages", fault(faults.reply(429, Retry_After="9" * 5000)), Kind.RATE_LIMITED, check=one_request),
    Case("429 until no date", fault(faults.reply(429, Retry_After="Someday")), Kind.RATE_LIMITED, check=few_requests),
    Case(
        "429 until a far date",
        fault(faults.reply(429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")),
        Kind.RATE_LIMITED,
        check=one_request,
    ),
    Case("429 once", fault(faults.reply(429, Retry_After="0"), times=1), None),
    Case("503 forever", fault(faults.reply(503, Retry_After="0")), Kind.UNREACHABLE, check=few_requests),
]


def echo(visit: Visit) -> None:
    visit.reply(403, visit.request.authorization.encode(), {"X-Echo": visit.request.authorization})


def redirect_to_echo(visit: Visit) -> None:
    secret = visit.request.authorization.removeprefix("Bearer ")
    visit.reply(307, b"", {"Location": f"https://{secret}.unknown.example/"})


def other_challenges(world: World) -> None:
    to_other("/v2/x/blobs/y")(world)
    world.other.fault(faults.challenge('Basic realm="x"'))


def other_port(world: World) -> None:
    world.registry.fault(faults.redirect(f"https://{HOST}:{world.other.port}/blob"), "*/blobs/*")
    world.other.fault(faults.reply(200, b"signed"))
    world.client = world.make(
        hosts={HOST: world.registry.client_settings(skip_verify=True)},
    )


REDIRECTS = [
    Case("redirects in a circle", fault(faults.redirect(lambda r: r.path)), Kind.PROTOCOL, check=few_requests),
    Case("redirect to another host", to_other(), None, blob, no_authorization_at_other),
    Case("redirect to another port of the host", other_port, None, blob, no_authorization_at_other),
    Case(
        "redirect to a host that asks for credentials", other_challenges, Kind.PROTOCOL, blob, no_authorization_at_other
    ),
    Case(
        "redirect to plain HTTP",
        lambda world: world.fault(faults.redirect(f"http://{world.other.netloc}/blob"), "*/blobs/*"),
        Kind.PROTOCOL,
        blob,
        nothing_sent_to_other,
    ),
    Case(
        "redirect of the registry to itself without TLS",
        lambda world: world.fault(faults.redirect(f"http://{world.registry.netloc}/x"), times=1),
        Kind.PROTOCOL,
        check=one_request,
    ),
    Case("redirect to metadata", fault(faults.redirect("https://169.254.169.254/latest")), Kind.REFUSED_ADDRESS),
    Case("redirect to metadata over HTTP", fault(faults.redirect("http://169.254.169.254/latest")), Kind.PROTOCOL),
    Case("redirect to metadata over IPv6", fault(faults.redirect("https://[fd00:ec2::254]/")), Kind.REFUSED_ADDRESS),
    Case("redirect to loopback", fault(faults.redirect("https://127.0.0.1:1/")), Kind.REFUSED_ADDRESS),
    Case("redirect to a private address", fault(faults.redirect("https://10.0.0.1/")), Kind.REFUSED_ADDRESS),
    Case("redirect to a decimal address", fault(faults.redirect("https://2130706433/")), Kind.REFUSED_ADDRESS),
    Case("redirect to an octal address", fault(faults.redirect("https://0177.0.0.1/")), Kind.REFUSED_ADDRESS),
    Case("redirect to a file", fault(faults.redirect("file:///etc/passwd")), Kind.PROTOCOL),
    Case("redirect with a user", fault(faults.redirect("https://ann:x@other.example/")), Kind.PROTOCOL),
    Case("redirect to no URL", fault(faults.redirect("https://[::/")), Kind.PROTOCOL),
    Case("redirect to port 99999", fault(faults.redirect("https://other.example:99999/")), Kind.PROTOCOL),
    Case("redirect to nowhere", fault(faults.reply(307)), Kind.PROTOCOL, check=few_requests),
    Case("redirect to a name made of the token", fault(redirect_to_echo), Kind.UNREACHABLE),
    Case("refusal that repeats the token", fault(echo), Kind.UNAUTHORIZED),
]


def token_redirects(world: World) -> None:
    world.client = world.make()
    world.fault(faults.redirect(f"{world.other.url}/token"), "/token")


def bad_token(token: str) -> Callable[[World], object]:
    body = json.dumps({"token": token}).encode()
    return logged_out(fault(answer(body, "application/json"), "/token"))


def identity_only(world: World) -> None:
    world.client = world.make()
    world.secret = Secret(Credential(identity_token=TOKEN))
    world.registry.scheme = "basic"


def identity_elsewhere(world: World) -> None:
    realm(lambda world: f"{world.other.url}/token")(world)
    world.secret = Secret(Credential(identity_token=TOKEN))


LOGIN = [
    Case(
        "401 forever", logged_out(fault(faults.challenge('Bearer realm="https://r.example/token"'))), Kind.UNREACHABLE
    ),
    Case(
        "token that is not accepted",
        logged_out(lambda world: world.registry.tokens.update({REPOSITORY: "\0"})),
        Kind.PROTOCOL,
    ),
    Case(
        "401 with every token",
        logged_out(
            lambda world: world.fault(faults.challenge(f'Bearer realm="{world.registry.url}/token",service="x"'))
        ),
        Kind.UNAUTHORIZED,
        check=few_requests,
    ),
    Case("401 without a challenge", fault(faults.reply(401)), Kind.UNAUTHORIZED, check=few_requests),
    Case("401 with a broken challenge", fault(faults.challenge('Bearer realm="unclosed')), Kind.PROTOCOL),
    Case("401 with an unknown scheme", fault(faults.challenge("Negotiate abc==")), Kind.UNAUTHORIZED),
    Case("challenge of 60 KiB", fault(faults.challenge("Bearer " + "a=b," * 15_000)), Kind.UNAUTHORIZED),
    Case(
        "realm on another host",
        realm(lambda world: f"{world.other.url}/token"),
        Kind.UNAUTHORIZED,
        check=nothing_sent_to_other,
    ),
    Case("realm on another host, identity token", identity_elsewhere, Kind.UNAUTHORIZED, check=nothing_sent_to_other),
    Case(
        "realm without TLS",
        realm(lambda world: f"http://{world.registry.netloc}/token"),
        Kind.PROTOCOL,
        check=one_request,
    ),
    Case("realm that is no URL", realm("nonsense"), Kind.PROTOCOL),
    Case("realm is metadata", realm("https://169.254.169.254/t", anonymous=True), Kind.REFUSED_ADDRESS),
    Case("realm is metadata, with credentials", realm("https://169.254.169.254/t"), Kind.UNAUTHORIZED),
    Case("realm is loopback", realm("https://127.0.0.1:1/t", anonymous=True), Kind.REFUSED_ADDRESS),
    Case("realm is private", realm("https://10.0.0.1/t", anonymous=True), Kind.REFUSED_ADDRESS),
    Case("realm is decimal", realm("https://2130706433/t", anonymous=True), Kind.REFUSED_ADDRESS),
    Case("token service that redirects", token_redirects, Kind.PROTOCOL, check=nothing_sent_to_other),
    Case("token service that fails", logged_out(fault(faults.reply(500), "/token")), Kind.UNREACHABLE),
    Case("token with a line break", bad_token("a\r\nX-Injected: 1"), Kind.PROTOCOL),
    Case("token of a megabyte", bad_token("a" * 40_000), Kind.PROTOCOL),
    Case("empty token", bad_token(""), Kind.PROTOCOL),
    Case("Basic wanted of an identity token", identity_only, Kind.UNAUTHORIZED),
]

FRAMING = [
    Case("reset", fault(faults.reset()), Kind.UNREACHABLE, check=few_requests),
    Case("reset once", fault(faults.reset(), times=1), None),
    Case("closed without an answer", fault(faults.raw(b"")), Kind.UNREACHABLE, check=few_requests),
    Case("body that ends early", fault(faults.short_body(b"{}", 99, Content_Type=MANIFEST)), Kind.PROTOCOL),
    Case("body longer than its length", fault(answer(b'{"a":1}', MANIFEST, Content_Length="2")), Kind.PROTOCOL),
    Case("negative length", fault(faults.raw(TYPED + b"Content-Length: -5\r\n\r\n{}")), Kind.PROTOCOL),
    Case("length that is none", fault(faults.raw(TYPED + b"Content-Length: five\r\n\r\n{}")), Kind.PROTOCOL),
    Case("two lengths", fault(faults.raw(TYPED + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ")), Kind.PROTOCOL),
    Case("length and chunks", fault(faults.raw(_BOTH)), Kind.PROTOCOL),
    Case("chunks within gzip", fault(faults.raw(TYPED + b"Transfer-Encoding: gzip, chunked\r\n\r\n")), Kind.PROTOCOL),
    Case("chunk of negative size", fault(faults.raw(_CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n")), Kind.PROTOCOL),
    Case("chunk larger than all memory", fault(faults.raw(_CHUNKED + b"fffffffffffffff\r\nx")), Kind.PROTOCOL),
    Case("chunk cut off", fault(faults.raw(_CHUNKED + b"10\r\nabc")), Kind.PROTOCOL),
    Case("no HTTP", fault(faults.raw(b"SSH-2.0-OpenSSH_9.2\r\n")), Kind.PROTOCOL),
    Case("HTTP/9.9", fault(faults.raw(b"HTTP/9.9 200 OK\r\n\r\n")), Kind.PROTOCOL),
    Case("status 99999", fault(faults.raw(b"HTTP/1.1 99999 OK\r\n\r\n")), Kind.PROTOCOL),
    Case("100-continue, then nothing", fault(faults.raw(b"HTTP/1.1 100 Continue\r\n\r\n")), Kind.UNREACHABLE),
    Case("early hints", fault(faults.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")), Kind.PROTOCOL),
    Case("another protocol", fault(faults.raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")), Kind.PROTOCOL),
    Case("no content", fault(faults.reply(204)), Kind.PROTOCOL),
    Case("partial content", fault(faults.reply(206, b"{}", Content_Type=MANIFEST)), Kind.PROTOCOL),
    Case("not modified", fault(faults.reply(304)), Kind.PROTOCOL),
    Case("500 with a page", fault(faults.reply(500, b"x" * 100_000)), Kind.UNREACHABLE),
]


def rebound(world: World) -> None:
    """The name server says another thing the second time."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["169.254.169.254"]])
    client = world.make()
    world.client = Registry(client._settings, lookup=lambda host, port: (world.lookups.append(host), next(answers))[1])


def one_lookup(world: World) -> None:
    assert world.lookups == [HOST]


def rebound_later(world: World) -> None:
    """... and the connection that was made before is gone."""
    world.registry.disconnect()
    world.addresses[HOST] = ["169.254.169.254"]


ADDRESSES = [
    Case("name that changes after the check", rebound, None, check=one_lookup),
    Case("name that changes between connections", rebound_later, Kind.REFUSED_ADDRESS, check=no_request),
    Case("name of metadata", resolved("169.254.169.254"), Kind.REFUSED_ADDRESS),
    Case("name of a good address and metadata", resolved("127.0.0.1", "169.254.169.254"), Kind.REFUSED_ADDRESS),
    Case("name of metadata, mapped", resolved("::ffff:169.254.169.254"), Kind.REFUSED_ADDRESS),
    Case("name of metadata through NAT64", resolved("64:ff9b::a9fe:a9fe"), Kind.REFUSED_ADDRESS),
    Case("name of metadata through 6to4", resolved("2002:a9fe:a9fe::1"), Kind.REFUSED_ADDRESS),
    Case("name of metadata over IPv6", resolved("fd00:ec2::254"), Kind.REFUSED_ADDRESS),
    Case("name of link-local", resolved("fe80::1"), Kind.REFUSED_ADDRESS),
    Case("name of the unspecified address", resolved("0.0.0.0"), Kind.REFUSED_ADDRESS),
    Case("name of multicast", resolved("224.0.0.1"), Kind.REFUSED_ADDRESS),
    Case("name of broadcast", resolved("255.255.255.255"), Kind.REFUSED_ADDRESS),
    Case("name of no address", resolved("nonsense"), Kind.REFUSED_ADDRESS),
    Case("name without addresses", resolved(), Kind.UNREACHABLE),
    Case("unknown name", renamed("unknown.example"), Kind.UNREACHABLE),
    Case("metadata in the reference", renamed("169.254.169.254"), Kind.REFUSED_ADDRESS),
    Case("loopback in the reference", renamed("127.0.0.1"), Kind.REFUSED_ADDRESS),
    Case("decimal loopback in the reference", renamed("2130706433"), Kind.REFUSED_ADDRESS),
    Case("hexadecimal loopback in the reference", renamed("0x7f.1"), Kind.REFUSED_ADDRESS),
    Case("short loopback in the reference", renamed("127.1"), Kind.REFUSED_ADDRESS),
    Case("mapped loopback in the reference", renamed("[::ffff:7f00:1]"), Kind.REFUSED_ADDRESS),
    Case("IPv6 loopback in the reference", renamed("[::1]"), Kind.REFUSED_ADDRESS),
]

CASES = [*SIZES, *CONTENT, *TIME, *REDIRECTS, *LOGIN, *FRAMING, *ADDRESSES]


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


@pytest.mark.parametrize("make", [expired, "wrong host", "self-signed", "unknown authority"], ids=str)
def test_certificates_that_are_not_good(
    make: object, world: World, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = {
        "wrong host": lambda: authority.issue("elsewhere.example"),
        "self-signed": lambda: self_signed(HOST),
        "unknown authority": lambda: Authority("Another").issue(HOST),
    }
    pair = pairs[make]() if isinstance(make, str) else expired(authority, HOST)
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
        (lambda connection, closed: connection.close(), Kind.TLS),
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


def test_a_hundred_slow_registries_leave_no_threads_and_no_sockets_behind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.login()
    world.fault(faults.hang())
    world.deadline = 0.5
    with ThreadPoolExecutor(20) as threads:
        tried = [threads.submit(world.manifest) for _ in range(100)]
        kinds = {getattr(one.exception(), "kind", None) for one in tried}
    assert kinds == {Kind.TIMEOUT}
    still_serves(world)
    left = [one for one in gc.get_objects() if isinstance(one, BoundedTlsSocket) and one.fileno() >= 0]
    assert len(left) <= 16  # those that are kept for the next request
    assert not [thread for thread in threading.enumerate() if thread.name == "registry-name"]


def test_what_the_registry_itself_gets_is_only_what_is_meant_for_it(world: World) -> None:
    world.login()
    world.manifest()
    sent = [described(request) for request in world.registry.requests]
    assert all(PASSWORD not in text for text in sent)  # the token only: the password goes to the token service


def test_contexts_trust_nothing_old() -> None:
    assert tls_context(b"", accept_any=False).minimum_version is ssl.TLSVersion.TLSv1_2

"""Cases of registries that send too much, the wrong thing, or no HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

from app.core.images.reference import Reference
from app.images.registry import Kind
from tests.simulators import registry_faults as faults
from tests.simulators.registry import INDEX, MANIFEST
from tests.simulators.registry_case import (
    CHUNKED,
    TYPED,
    Case,
    answer,
    blob,
    fault,
    few_requests,
    listed,
    logged_out,
    no_request,
    one_request,
    referrers,
    served,
)
from tests.simulators.registry_faults import Visit
from tests.simulators.registry_world import OK, REPOSITORY, World, bomb, deep, descriptors

GIB = str(1 << 30)
BOTH = "Transfer-Encoding: chunked\r\nContent-Length: 415"


def true_content(**headers: str) -> Callable[[World], object]:
    """The very bytes that are asked for, with headers that make them something else."""
    return lambda world: world.fault(answer(world.content(), MANIFEST, **headers))


def true_chunks(framing: str) -> Callable[[World], object]:
    def arrange(world: World) -> None:
        content = world.content()
        head = TYPED + framing.encode() + b"\r\n\r\n"
        world.fault(faults.raw(b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(content), content)))

    return arrange


IMAGE = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}
AMBIGUOUS = {**IMAGE, "manifests": []}
_BOTH = TYPED + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

SIZES = [
    Case("1 GiB manifest by header", fault(answer(b"{}", MANIFEST, Content_Length=GIB)), Kind.TOO_LARGE),
    Case("1 GiB blob by header", fault(answer(b"{}", "x/y", Content_Length=GIB), "*/blobs/*"), Kind.TOO_LARGE, blob),
    Case("endless chunked manifest", fault(faults.endless_chunks(MANIFEST)), Kind.TOO_LARGE, deadline=10),
    Case("endless chunked blob", fault(faults.endless_chunks("x/y"), "*/blobs/*"), Kind.TOO_LARGE, blob, deadline=10),
    Case("endless referrers", listed(faults.endless_chunks(INDEX)), Kind.TOO_LARGE, referrers, deadline=10),
    Case("endless body without a length", fault(faults.endless(TYPED + b"\r\n", b" " * 65536)), Kind.TOO_LARGE),
    Case(
        "endless chunks of one byte",
        fault(faults.endless(CHUNKED, b"1\r\nx\r\n" * 1000)),
        Kind.TOO_LARGE,
        deadline=10,
        client=lambda world: world.make(manifest_bytes=16384),
    ),
    Case("endless size of a chunk", fault(faults.endless(CHUNKED, b"0" * 4096)), Kind.PROTOCOL),
    Case("endless extension of a chunk", fault(faults.endless(CHUNKED + b"1;", b"x" * 4096)), Kind.PROTOCOL),
    Case(
        "endless trailers",
        fault(faults.endless(CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n" * 1000)),
        Kind.TOO_LARGE,
        deadline=10,
        client=lambda world: world.make(manifest_bytes=16384),
    ),
    Case("endless header", fault(faults.endless(OK + b"X-Long: ", b"x" * 4096)), Kind.TOO_LARGE),
    Case("endless headers", fault(faults.endless(OK, b"X-Many: 1\r\n" * 100)), Kind.TOO_LARGE),
    Case("endless status line", fault(faults.endless(b"HTTP/1.1 200 ", b"O" * 4096)), Kind.TOO_LARGE),
    Case("endless 100-continue", fault(faults.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)), Kind.TOO_LARGE),
    Case("endless token", logged_out(fault(faults.endless_chunks("application/json"), "/token")), Kind.TOO_LARGE),
    Case("endless error body", fault(faults.endless(b"HTTP/1.1 404 No\r\n\r\n", b"x" * 65536)), Kind.NOT_FOUND),
    Case("right content, said to be compressed", true_content(Content_Encoding="gzip"), Kind.PROTOCOL),
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


def sha512_asked(world: World) -> None:
    world.digest = f"sha512:{'a' * 128}"


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
    Case("next page on another host", page_elsewhere, Kind.PROTOCOL, referrers, one_request),
    Case("next page of another repository", page_of_other_repository, Kind.PROTOCOL, referrers, one_request),
    Case("referrers that refer to each other", cycle, None, referrers, one_request),
    Case("referrers that are no JSON", listed(answer(b"{", INDEX)), Kind.PROTOCOL, referrers),
    Case("referrers without an API, in HTML", listed(answer(b"<html>", "text/html")), None, referrers),
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
    Case("right content in chunks of gzip", true_chunks("Transfer-Encoding: gzip, chunked"), Kind.PROTOCOL),
    Case("right content in chunks, with a length", true_chunks(BOTH), Kind.PROTOCOL),
    Case("right content in chunks", true_chunks("Transfer-Encoding: chunked"), None),
    Case("length and chunks", fault(faults.raw(_BOTH)), Kind.PROTOCOL),
    Case("chunks within gzip", fault(faults.raw(TYPED + b"Transfer-Encoding: gzip, chunked\r\n\r\n")), Kind.PROTOCOL),
    Case("chunk of negative size", fault(faults.raw(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n")), Kind.PROTOCOL),
    Case("chunk larger than all memory", fault(faults.raw(CHUNKED + b"fffffffffffffff\r\nx")), Kind.PROTOCOL),
    Case("chunk cut off", fault(faults.raw(CHUNKED + b"10\r\nabc")), Kind.PROTOCOL),
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

"""Cases of registries that take their time, and of where they send clients and their credentials."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from app.images.registry import Credential, Kind, Registry
from tests.simulators import registry_faults as faults
from tests.simulators.registry_case import (
    CHUNKED,
    TYPED,
    Case,
    answer,
    blob,
    fault,
    few_requests,
    logged_out,
    no_authorization_at_other,
    no_request,
    nothing_sent_to_other,
    one_request,
    realm,
    renamed,
    resolved,
    to_other,
)
from tests.simulators.registry_faults import Visit
from tests.simulators.registry_world import HOST, OK, REPOSITORY, TOKEN, Secret, World


def slow_hops(world: World) -> None:
    world.fault(faults.delay(0.45, faults.redirect(lambda request: f"{request.path}?again")))


def slow_names(world: World) -> None:
    world.client = world.make()
    resolve_at_once = world.lookup

    def lookup(host: str, port: int) -> list[str]:
        time.sleep(2)
        return list(resolve_at_once(host, port))

    world.client = world.keep(Registry(world.client._settings, lookup=lookup))


SLOW = OK + b"Content-Type: text/plain\r\nX-Padding: " + b"x" * 500
TIME = [
    Case("silence", fault(faults.hang()), Kind.TIMEOUT, deadline=0.5),
    Case("head byte by byte, then silence", fault(faults.drip(SLOW[:38], 0.05)), Kind.TIMEOUT, deadline=2.0),
    Case("head byte by byte", fault(faults.drip(SLOW, 0.05)), Kind.TIMEOUT, deadline=0.6),
    Case(
        "body byte by byte",
        fault(faults.drip(TYPED + b"Content-Length: 900\r\n\r\n" + b" " * 900, 0.004)),
        Kind.TIMEOUT,
        deadline=0.8,
    ),
    Case("chunks byte by byte", fault(faults.drip(CHUNKED + b"1\r\nx\r\n" * 99, 0.004)), Kind.TIMEOUT, deadline=0.8),
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


def rebound(world: World) -> None:
    """The name server says another thing the second time."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["169.254.169.254"]])
    settings = world.make()._settings

    def lookup(host: str, port: int) -> list[str]:
        world.lookups.append(host)
        return next(answers)

    world.client = world.keep(Registry(settings, lookup=lookup))


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

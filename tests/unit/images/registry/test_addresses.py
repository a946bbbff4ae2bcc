import ipaddress
import socket
import threading
import time

import pytest

from app.images.registry.addresses import Resolver, Scope, judge, literal, scope
from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.settings import HostSettings

OPEN = HostSettings()


def operation(seconds: float = 5.0) -> Operation:
    return Operation("r.example", "a call", time.monotonic() + seconds)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", Scope.PUBLIC),
        ("2606:4700::1", Scope.PUBLIC),
        ("10.1.2.3", Scope.PRIVATE),
        ("172.31.255.255", Scope.PRIVATE),
        ("172.32.0.0", Scope.PUBLIC),
        ("192.168.0.1", Scope.PRIVATE),
        ("100.64.0.1", Scope.PRIVATE),
        ("fd12::1", Scope.PRIVATE),
        ("127.8.8.8", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("169.254.1.1", Scope.LINK_LOCAL),
        ("fe80::1", Scope.LINK_LOCAL),
        ("169.254.169.254", Scope.METADATA),
        ("169.254.170.2", Scope.METADATA),
        ("fd00:ec2::254", Scope.METADATA),
        ("100.100.100.200", Scope.METADATA),
        ("168.63.129.16", Scope.METADATA),
        ("0.0.0.0", Scope.RESERVED),
        ("::", Scope.RESERVED),
        ("224.0.0.1", Scope.RESERVED),
        ("ff02::1", Scope.RESERVED),
        ("240.0.0.1", Scope.RESERVED),
        ("255.255.255.255", Scope.RESERVED),
        ("192.0.2.1", Scope.RESERVED),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("::ffff:8.8.8.8", Scope.PUBLIC),
        ("::127.0.0.1", Scope.LOOPBACK),
        ("64:ff9b::7f00:1", Scope.LOOPBACK),
        ("64:ff9b::808:808", Scope.PUBLIC),
        ("64:ff9b:1::a9fe:a9fe", Scope.METADATA),
        ("2002:7f00:1::", Scope.LOOPBACK),
        ("2001:0:0:0:0:0:80ff:fffe", Scope.LOOPBACK),  # Teredo keeps the client's address inverted
    ],
)
def test_scope(address: str, expected: Scope) -> None:
    assert scope(ipaddress.ip_address(address)) is expected


def test_private_ranges_are_a_choice() -> None:
    assert judge("10.0.0.1", OPEN) is Scope.PRIVATE
    with pytest.raises(Failure, match="private"):
        judge("10.0.0.1", HostSettings(private=False))


def test_networks_can_be_allowed_one_by_one() -> None:
    rules = HostSettings(allow=(ipaddress.ip_network("127.0.0.1/32"),))
    assert judge("127.0.0.1", rules) is Scope.LOOPBACK
    assert judge("::ffff:127.0.0.1", rules) is Scope.LOOPBACK
    for other in ("127.0.0.2", "169.254.169.254", "::1"):
        with pytest.raises(Failure) as refused:
            judge(other, rules)
        assert refused.value.kind is Kind.REFUSED_ADDRESS


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.01", "1."])
def test_unusual_notations_are_refused(host: str) -> None:
    with pytest.raises(Failure, match="unusual"):
        literal(host)


def test_names_are_no_literals() -> None:
    assert literal("registry.example") is None
    assert literal("1a.example") is None
    assert str(literal("127.0.0.1.")) == "127.0.0.1"


def test_one_lookup_for_all_who_ask_at_the_same_time() -> None:
    asked: list[str] = []
    go = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        go.wait(5)
        return ["192.0.2.1", "192.0.2.1"]

    resolver = Resolver(lookup, 4)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(resolver.resolve("r.example", 443, operation()))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    while not asked:
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join()
    assert found == [["192.0.2.1"]] * 5
    assert len(asked) <= 2  # a thread may come after the first look-up has ended


def test_hanging_lookups_are_limited_and_do_not_hold_callers() -> None:
    go = threading.Event()
    resolver = Resolver(lambda host, port: [str(go.wait(10))], 2)
    for host in ("a.example", "b.example", "a.example"):
        with pytest.raises(Failure) as failure:
            resolver.resolve(host, 443, operation(0.05))
        assert failure.value.kind is Kind.TIMEOUT
    with pytest.raises(Failure, match="too many") as failure:
        resolver.resolve("c.example", 443, operation(5))
    go.set()


def test_failures_are_not_remembered() -> None:
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return ["192.0.2.1"]

    resolver = Resolver(lookup, 2)
    with pytest.raises(Failure, match="cannot be resolved"):
        resolver.resolve("r.example", 443, operation())
    assert resolver.resolve("r.example", 443, operation()) == ["192.0.2.1"]

"""Which addresses may be connected to, and names resolved once, within a deadline.

Pods choose the registry's name, and registries choose where they redirect to: both could point at a cloud's metadata
service, at this pod or at others. A name is resolved once, all of its addresses are judged, and the connection goes to
one of those: a second answer of the name server has no part in it.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final

from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.settings import HostSettings, Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Sequence[str]]
"""Blocking resolution of a name to addresses as text; raises OSError. A seam for tests."""


class Scope(enum.Enum):
    """What kind of network an address is in."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata"
    RESERVED = "reserved"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Link-local ones are listed too: the name of the reason is better.
_METADATA: Final = _networks(
    "169.254.169.254/32",  # AWS, Google, Azure, OpenStack and most others
    "169.254.170.2/32",  # AWS tasks
    "169.254.170.23/32",  # AWS pod identities
    "fd00:ec2::/32",  # AWS, within the private range
    "fd20:ce::254/128",  # Google, within the private range
    "100.100.100.200/32",  # Alibaba Cloud, within the shared range
    "168.63.129.16/32",  # Azure, which looks public
    "192.0.0.192/32",  # Oracle Cloud
)
_PRIVATE: Final = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
_NAT64: Final = _networks("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")


def scope(address: Address) -> Scope:  # noqa: PLR0911 - a table
    """Tell an address's kind; one that embeds an IPv4 address is of that one's kind."""
    inner = _embedded(address)
    if inner is not None:
        return scope(inner)
    if any(address in network for network in _METADATA):
        return Scope.METADATA
    if address.is_loopback:
        return Scope.LOOPBACK
    if address.is_link_local:
        return Scope.LINK_LOCAL
    if any(address in network for network in _PRIVATE):
        return Scope.PRIVATE
    if address.is_multicast or not address.is_global:
        return Scope.RESERVED
    return Scope.PUBLIC


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Find the IPv4 address that a translator or tunnel would make of an IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (int(address) >> 32 == 0 and low > 1):
        return ipaddress.IPv4Address(low)
    return None


def judge(text: str, rules: HostSettings) -> Scope:
    """Give the scope of an address that `rules` allow. Raises Failure for others."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Failure(Kind.REFUSED_ADDRESS, "the name server gave no valid address") from None
    found = scope(address)
    inner = _embedded(address)
    candidates = (address,) if inner is None else (address, inner)
    listed = any(candidate in network for candidate in candidates for network in rules.allow)
    if listed or found is Scope.PUBLIC or (found is Scope.PRIVATE and rules.private):
        return found
    raise Failure(Kind.REFUSED_ADDRESS, f"the address is a {found.value} one, which is not allowed")


def literal(host: str) -> Address | None:
    """Give the address that a host spells; None for names. Raises Failure for what only C libraries read as one."""
    bare = host.rstrip(".")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    try:
        socket.inet_aton(bare)
    except OSError:
        return None
    raise Failure(Kind.REFUSED_ADDRESS, "the host is an address in an unusual notation")


def system_lookup(host: str, port: int) -> Sequence[str]:
    """Resolve as the system does, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


class _Pending:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.addresses: Sequence[str] = ()
        self.trouble = ""


class Resolver:
    """Names to addresses by a deadline. The system's resolver knows none, so it runs in threads, one for a name."""

    def __init__(self, lookup: Lookup, limit: int) -> None:
        """`limit` look-ups may be under way; those that hang end when the system gives up."""
        self._lookup = lookup
        self._limit = limit
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], _Pending] = {}

    def resolve(self, host: str, port: int, operation: Operation) -> Sequence[str]:
        """Addresses of a host, at least one. Raises Failure."""
        spelled = literal(host)
        if spelled is not None:
            return [str(spelled)]
        pending = self._ask(host, port)
        if not pending.done.wait(max(0.0, operation.left())):
            raise Failure(Kind.TIMEOUT, "the name was not resolved in time", hint="check the cluster's name servers")
        if pending.trouble:
            raise Failure(Kind.UNREACHABLE, pending.trouble, hint="check the name, and the cluster's name servers")
        return pending.addresses

    def _ask(self, host: str, port: int) -> _Pending:
        with self._lock:
            pending = self._pending.get((host, port))
            if pending is not None:
                return pending
            if len(self._pending) >= self._limit:
                raise Failure(Kind.UNREACHABLE, "too many names are being resolved", hint="check the name servers")
            pending = self._pending[host, port] = _Pending()
        threading.Thread(target=self._run, args=(host, port, pending), name="registry-name", daemon=True).start()
        return pending

    def _run(self, host: str, port: int, pending: _Pending) -> None:
        try:
            pending.addresses = list(dict.fromkeys(self._lookup(host, port)))
            pending.trouble = "" if pending.addresses else "the name has no address"
        except (OSError, UnicodeError):
            pending.trouble = "the name cannot be resolved"
        finally:
            with self._lock:
                self._pending.pop((host, port), None)
            pending.done.set()

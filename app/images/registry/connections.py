"""Connections that go where Dialer says, and the TLS settings they use."""

from __future__ import annotations

import socket
import ssl
from functools import lru_cache
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from app.images.registry.addresses import Resolver, Scope, judge, literal
from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.settings import HostSettings
from app.images.registry.sockets import BoundedSocket, BoundedTlsSocket, current_operation

_LONGEST_CONNECT: Final = 5.0
"""Seconds for one of several addresses; the last one may take all that is left."""


class Dialer:
    """Opens TCP connections for one host under its rules; to a proxy without any, as the administrator chose it."""

    def __init__(self, resolver: Resolver, rules: HostSettings, *, proxied: bool) -> None:
        """Make one for a pool of connections."""
        self._resolver = resolver
        self._rules = rules
        self._proxied = proxied

    def check(self, host: str) -> Scope | None:
        """Judge the address that a proxied host spells; names are the proxy's to resolve. Raises Failure."""
        address = literal(host)
        return judge(str(address), self._rules) if address is not None else None

    def dial(self, host: str, port: int) -> tuple[socket.socket, Scope]:
        """Resolve, judge all addresses, and connect to the first that answers. Raises Failure."""
        operation = current_operation()
        addresses = self._resolver.resolve(host, port, operation)
        scopes = [Scope.PUBLIC if self._proxied else judge(address, self._rules) for address in addresses]
        detail = "no connection can be made"
        for index, (address, scope) in enumerate(zip(addresses, scopes, strict=True)):
            operation.require_time()
            try:
                return self._connect(address, port, operation, last=index == len(addresses) - 1), scope
            except OSError as trouble:
                if isinstance(trouble, ConnectionRefusedError):
                    detail = "it refuses connections"
        operation.require_time()
        raise Failure(Kind.UNREACHABLE, f"the proxy: {detail}" if self._proxied else detail)

    @staticmethod
    def _connect(address: str, port: int, operation: Operation, *, last: bool) -> socket.socket:
        left = operation.left()
        connection = BoundedSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(0.001, left if last else min(left / 2, _LONGEST_CONNECT)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect((address, port))
        except BaseException:
            connection.close()
            raise
        return connection


class Connection(HTTPConnection):
    """Plain HTTP to an address that was judged."""

    def __init__(self, *args: Any, dialer: Dialer, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dialer = dialer
        self.scope = Scope.PUBLIC

    def _new_conn(self) -> socket.socket:
        connection, self.scope = self._dialer.dial(self.host, self.port)
        return connection


class TlsConnection(HTTPSConnection):
    """TLS to an address that was judged; the certificate is checked against the name."""

    def __init__(self, *args: Any, dialer: Dialer, accept_any: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dialer = dialer
        self._accept_any = accept_any
        self.scope = Scope.PUBLIC

    def _new_conn(self) -> socket.socket:
        connection, self.scope = self._dialer.dial(self.host, self.port)
        return connection

    def connect(self) -> None:
        """Connect; where the settings accept any certificate, urllib3 need not warn of it each time."""
        super().connect()
        self.is_verified = self.is_verified or self._accept_any


class Pool(HTTPConnectionPool):
    """Keeps plain connections."""

    ConnectionCls = Connection


class TlsPool(HTTPSConnectionPool):
    """Keeps TLS connections."""

    ConnectionCls = TlsConnection


@lru_cache(maxsize=64)
def tls_context(ca_bundle: bytes, *, accept_any: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting the system's authorities and those of the bundle. Raises Failure."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedTlsSocket
    if accept_any:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_default_certs()
    if ca_bundle:
        try:
            context.load_verify_locations(cadata=ca_bundle.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise Failure(
                Kind.TLS, "the CA bundle configured for it is no PEM certificate", hint="correct the CA bundle"
            ) from None
    return context

"""One HTTP request and its answer over kept-alive connections, bounded in time and memory; all it raises is Failure."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import urllib3
from urllib3 import exceptions
from urllib3.response import BaseHTTPResponse
from urllib3.util import parse_url

from app.images.registry.addresses import Lookup, Resolver, Scope
from app.images.registry.connections import Connection, Dialer, Pool, TlsConnection, TlsPool, tls_context
from app.images.registry.errors import Failure, Kind, plain
from app.images.registry.operation import Operation
from app.images.registry.proxies import Proxy, proxy_for
from app.images.registry.settings import HostSettings, RegistrySettings
from app.images.registry.sockets import Exchange, exchanging
from app.images.registry.urls import Url

_CHUNK: Final = 64 * 1024
_ERROR_BODY: Final = 16 * 1024
"""Bytes of an answer other than 200 that are read to keep its connection."""
_HEADERS: Final = {"User-Agent": "pratique", "Accept-Encoding": "identity"}

# urllib3 logs the URLs it asks for, and URLs of storage services and token services hold signatures and tokens.
for _name in ("urllib3.connectionpool", "urllib3.connection"):
    logging.getLogger(_name).setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Request:
    """What to send where."""

    url: Url
    rules: HostSettings
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None
    limit: int = 0
    """Bytes that the body of a 200 answer may have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the body is complete, and empty unless the status is 200."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    scope: Scope
    """Where the peer's address is."""


class Transport:
    """Pools of connections, one for each host and its rules. Safe for use by several threads."""

    def __init__(self, settings: RegistrySettings, lookup: Lookup) -> None:
        """`lookup` resolves names."""
        self._settings = settings
        self._resolver = Resolver(lookup, settings.lookups)
        self._lock = threading.Lock()
        self._pools: OrderedDict[object, Pool | TlsPool] = OrderedDict()

    def send(self, request: Request, operation: Operation) -> Answer:
        """Send once and read the whole answer; redirects are answers. Raises Failure."""
        operation.require_time()
        with exchanging(operation, self._settings.head_bytes) as exchange:
            try:
                return self._send(request, exchange)
            except Failure:
                raise
            except (exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as trouble:
                raise _failure(trouble, exchange) from None

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            pools, self._pools = self._pools, OrderedDict()
        for pool in pools.values():
            pool.close()

    def _send(self, request: Request, exchange: Exchange) -> Answer:
        url = request.url
        proxy = proxy_for(url, request.rules, self._settings.environment)
        dialer = Dialer(self._resolver, request.rules, proxied=proxy is not None)
        scope = dialer.check(url.host) if proxy is not None else None
        response = self._pool(url, request.rules, proxy, dialer).urlopen(
            request.method,
            str(url) if proxy is not None and url.scheme == "http" else url.target,
            body=request.body,
            headers={**_HEADERS, **request.headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(total=max(0.001, exchange.operation.left())),
            pool_timeout=max(0.001, exchange.operation.left()),  # type: ignore[arg-type]  # seconds, as queue.get
            preload_content=False,
            decode_content=False,
        )
        connection = response.connection
        if scope is None and isinstance(connection, Connection | TlsConnection):
            scope = connection.scope
        try:
            body = self._body(response, request, exchange)
        except BaseException:
            response.close()
            raise
        return Answer(response.status, urllib3.HTTPHeaderDict(response.headers), body, scope or Scope.PUBLIC)

    @staticmethod
    def _body(response: BaseHTTPResponse, request: Request, exchange: Exchange) -> bytes:
        """Read the body; release the connection, or close it where more would have to be read than is worth it."""
        wanted = response.status == http.client.OK
        limit = request.limit if wanted else _ERROR_BODY
        exchange.budget = 2 * limit + _CHUNK  # a chunk of one byte takes six
        if wanted and request.method != "HEAD":
            _require_plain(response)
        length = getattr(response, "length_remaining", None)
        if length is not None and length > limit:
            return _too_much(response, wanted=wanted, limit=limit)
        body = bytearray()
        for piece in response.stream(_CHUNK, decode_content=False):
            body += piece
            if len(body) > limit:
                return _too_much(response, wanted=wanted, limit=limit)
        response.release_conn()
        return bytes(body) if wanted else b""

    def _pool(self, url: Url, rules: HostSettings, proxy: Proxy | None, dialer: Dialer) -> Pool | TlsPool:
        key = (url.origin, rules, proxy)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._open(url, rules, proxy, dialer)
            self._pools.move_to_end(key)
            oldest = self._pools.popitem(last=False)[1] if len(self._pools) > self._settings.pools else None
        if oldest is not None:
            oldest.close()
        return pool

    def _open(self, url: Url, rules: HostSettings, proxy: Proxy | None, dialer: Dialer) -> Pool | TlsPool:
        host, port = url.host, url.port
        options: dict[str, object] = {"maxsize": self._settings.connections, "block": True, "dialer": dialer}
        if proxy is not None:
            netloc = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
            options["_proxy"] = parse_url(f"http://{netloc}:{proxy.port}")
            options["_proxy_headers"] = dict(proxy.headers)
        if url.scheme == "http":
            if proxy is not None:
                host, port = proxy.host, proxy.port
            return Pool(host, port, **options)  # type: ignore[arg-type]
        context = tls_context(rules.ca_bundle, accept_any=rules.skip_verify)
        return TlsPool(host, port, ssl_context=context, accept_any=rules.skip_verify, **options)  # type: ignore[arg-type]


def _require_plain(response: BaseHTTPResponse) -> None:
    """Refuse bodies that would have to be decompressed, and framing that libraries read in different ways."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Failure(Kind.PROTOCOL, "the answer is compressed, which was not asked for")
    transfer = response.headers.get("Transfer-Encoding", "").strip().lower()
    if transfer not in {"", "chunked"} or (transfer and "Content-Length" in response.headers):
        raise Failure(Kind.PROTOCOL, "the answer has an ambiguous length")


def _too_much(response: BaseHTTPResponse, *, wanted: bool, limit: int) -> bytes:
    response.close()
    if wanted:
        raise Failure(Kind.TOO_LARGE, f"the answer is larger than {limit} bytes")
    return b""


def _failure(trouble: BaseException, exchange: Exchange) -> Failure:  # noqa: PLR0911 - a table
    """Say what went wrong in our words: the libraries' quote URLs."""
    inner = _innermost(trouble)
    if exchange.overflowed or isinstance(inner, http.client.LineTooLong) or "got more than" in str(inner):
        return Failure(Kind.TOO_LARGE, "the answer's head or framing is larger than allowed")
    if exchange.operation.left() <= 0 or isinstance(inner, TimeoutError | exceptions.TimeoutError):
        return Failure(Kind.TIMEOUT, "no answer in time")
    if isinstance(trouble, exceptions.EmptyPoolError):
        return Failure(Kind.TIMEOUT, "all connections to it are busy")
    if isinstance(trouble, exceptions.ClosedPoolError):
        return Failure(Kind.UNREACHABLE, "the connection was closed", again=True)
    if isinstance(trouble, exceptions.ProxyError) or "Tunnel connection failed" in str(inner):
        return Failure(Kind.UNREACHABLE, "the proxy does not connect to it", hint="check the proxy settings")
    if isinstance(inner, http.client.RemoteDisconnected | ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Failure(Kind.UNREACHABLE, "it broke the connection off", again=True)
    if isinstance(inner, ssl.SSLError) or isinstance(trouble, exceptions.SSLError):
        return _tls_failure(inner)
    if isinstance(inner, http.client.IncompleteRead):
        return Failure(Kind.PROTOCOL, "the answer ended early")
    return Failure(Kind.PROTOCOL, "the answer is not valid HTTP")


def _innermost(trouble: BaseException) -> BaseException:
    while isinstance(trouble, exceptions.HTTPError):
        causes = [argument for argument in trouble.args if isinstance(argument, BaseException)]
        if not causes:
            break
        trouble = causes[-1]
    return trouble


def _tls_failure(inner: BaseException) -> Failure:
    if isinstance(inner, ssl.SSLCertVerificationError):
        return Failure(Kind.TLS, f"its certificate is not accepted: {plain(inner.verify_message)}")
    reason = getattr(inner, "reason", None)
    words = str(reason).lower().replace("_", " ") if isinstance(reason, str) else "the handshake failed"
    hint = "it may speak plain HTTP: if that is wanted, say so in its settings" if "wrong version" in words else ""
    return Failure(Kind.TLS, f"TLS: {plain(words)}", hint=hint)

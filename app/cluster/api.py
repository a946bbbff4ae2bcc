"""GET requests and watches of the Kubernetes API over urllib3: blocking, with deadlines, for use in threads.

Every failure is a ClusterError of one line that holds neither credentials nor the library's own words. A 401 is
answered once with renewed credentials, a connection that died while idle is replaced once.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection
from urllib3.response import BaseHTTPResponse

from app.cluster.access import Access, ClientCertificate
from app.errors import ClusterError

CONNECT_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 150.0
"""A watch without a byte for so long is given up: servers send bookmarks about every minute."""
MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of one answer or one watch event; more is refused."""
_CHUNK: Final = 64 * 1024
_CONNECTIONS: Final = 8
_HEADERS: Final = {"Accept": "application/json", "User-Agent": "pratique"}
# A peer that vanished without a word is noticed within a minute, also on a watch that waits for events.
_KEEP_ALIVE: Final = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class ApiStatus(ClusterError):  # noqa: N818 - named for what it holds
    """An answer other than 200; `status` is its HTTP code."""

    def __init__(self, status: int, summary: str) -> None:
        super().__init__(summary)
        self.status = status


class _Status(msgspec.Struct):
    message: str = ""


class Api:
    """One API server, as one identity. All methods may be called from several threads."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None

    def get(self, path: str, deadline: float, **query: str | int) -> bytes:
        """The body of a 200 answer by `deadline` (of time.monotonic).

        Raises ApiStatus for other answers and ClusterError when there is none in time.
        """
        response = self._send(_url(path, query), deadline, max(0.05, deadline - time.monotonic()))
        try:
            body = self._body(response, deadline)
        except (exceptions.HTTPError, OSError) as cause:
            response.close()
            raise self._trouble(cause) from None
        except ClusterError:
            response.close()
            raise
        response.release_conn()
        return body

    def watch(self, path: str, seconds: int, **query: str | int) -> Watch:
        """Open a watch that the server ends after `seconds`, and we when it is silent for long. Raises as `get`."""
        url = _url(path, {**query, "watch": 1, "timeoutSeconds": seconds})
        return Watch(self, self._send(url, time.monotonic() + CONNECT_SECONDS, IDLE_SECONDS))

    def close(self) -> None:
        """Close idle connections; requests that run end by their own deadlines."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    @property
    def _named(self) -> str:
        return f"Kubernetes API {self._access.server}"

    def _body(self, response: BaseHTTPResponse, deadline: float) -> bytes:
        body = bytearray()
        while data := response.read1(_CHUNK):
            body += data
            if len(body) > MAX_BODY:
                raise ClusterError(f"{self._named}: the answer is larger than {MAX_BODY >> 20} MiB")
            if time.monotonic() > deadline:
                raise ClusterError(f"{self._named}: the answer did not come to its end in time")
        return bytes(body)

    def _send(self, url: str, deadline: float, idle: float) -> BaseHTTPResponse:
        """The open response to a GET; `idle` seconds without a byte end it."""
        credentials = self._access.credentials
        renewed = reconnected = False
        while True:
            headers = {**_HEADERS, **credentials.headers()}
            left = deadline - time.monotonic()
            if left <= 0:
                raise ClusterError(f"{self._named}: no time left to ask")
            timeout = urllib3.Timeout(connect=min(left, CONNECT_SECONDS), read=idle)
            try:
                response = self._connections().request(
                    "GET",
                    f"{self._access.server}{url}",
                    headers=headers,
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            except (exceptions.HTTPError, OSError) as cause:
                if isinstance(cause, exceptions.ProtocolError) and not reconnected:
                    reconnected = True  # kept alive by us, closed by the server in the meantime
                    continue
                if isinstance(cause, exceptions.SSLError):
                    self.close()  # the next attempt reads certificates anew: they may have been rotated
                raise self._trouble(cause) from None
            if response.status == 200:
                return response
            if response.status == 401 and not renewed:
                renewed = True
                if credentials.renew():
                    response.close()
                    self.close()
                    continue
            raise self._refusal(response)

    def _refusal(self, response: BaseHTTPResponse) -> ApiStatus:
        message = ""
        with suppress(exceptions.HTTPError, OSError, msgspec.MsgspecError):
            message = msgspec.json.decode(response.read(16 * 1024), type=_Status).message
        response.close()
        if response.status == 401:
            message = "the credentials are not accepted"
        text = "".join(character for character in message[:300] if character.isprintable())
        return ApiStatus(response.status, f"{self._named} answered {response.status}{f': {text}' if text else ''}")

    def _trouble(self, cause: BaseException) -> ClusterError:
        return ClusterError(f"{self._named}: {_reason(cause)}")

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = self._open()
            return self._pool

    def _open(self) -> urllib3.PoolManager:
        access = self._access
        options: dict[str, object] = {"num_pools": 2, "maxsize": _CONNECTIONS, "socket_options": _KEEP_ALIVE}
        if access.server.startswith("https:"):
            options["ssl_context"] = _tls(access)
            if access.server_name is not None:
                options["server_hostname"] = access.server_name
            if not access.verify:
                urllib3.disable_warnings(exceptions.InsecureRequestWarning)  # the kubeconfig asks for it
        proxy = access.proxy or _proxy_of_environment(access.server)
        if proxy is None:
            return urllib3.PoolManager(**options)  # type: ignore[arg-type]
        user = urlsplit(proxy)
        if user.username is not None:
            options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=f"{user.username}:{user.password or ''}")
            proxy = f"{user.scheme}://{user.netloc.rpartition('@')[2]}"
        return urllib3.ProxyManager(proxy, **options)  # type: ignore[arg-type]


class Watch:
    """An open watch; iterate once. A context manager that closes its connection."""

    def __init__(self, api: Api, response: BaseHTTPResponse) -> None:
        self._api = api
        self._response = response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[bytes]:
        """Events as JSON lines until the server ends the watch. Raises ClusterError when the connection breaks."""
        rest = b""
        while True:
            try:
                data = self._response.read1(_CHUNK)
            except (exceptions.HTTPError, OSError, ValueError) as cause:  # the last: interrupted under TLS
                raise self._api._trouble(cause) from None  # noqa: SLF001 - one unit
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > MAX_BODY:
                raise ClusterError(f"an event is larger than {MAX_BODY >> 20} MiB")
            yield from (line for line in lines if line)

    def interrupt(self) -> None:
        """End a read that another thread waits in."""
        with suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()


def _url(path: str, query: dict[str, str | int]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        authorities = access.authorities()
        try:
            if authorities is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, ValueError):
            raise ClusterError("the certificate authority of the API server is no PEM certificate") from None
    pair = access.credentials.certificate()
    if pair is not None:
        _load(context, pair)
    return context


def _load(context: ssl.SSLContext, pair: ClientCertificate) -> None:
    """Give OpenSSL a pair by way of memory, as it takes files only: keys never touch a disk."""
    descriptor = os.memfd_create("client-certificate")
    try:
        content = pair.certificate + b"\n" + pair.key
        while content:
            content = content[os.write(descriptor, content) :]
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=b"")
    except (ssl.SSLError, OSError, ValueError):
        raise ClusterError("the client certificate and key are not a PEM pair without a passphrase") from None
    finally:
        os.close(descriptor)


def _proxy_of_environment(server: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for; never for this machine itself, as in Go."""
    if not any(name.lower() in {"http_proxy", "https_proxy"} and os.environ[name] for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415 - rarely needed

    url = urlsplit(server)
    host = url.hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127.") or proxy_bypass(url.netloc):
        return None
    proxy = getproxies_environment().get(url.scheme)
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _reason(cause: BaseException) -> str:  # noqa: PLR0911 - a table
    """What went wrong, in our words: the library's may quote URLs with passwords of proxies."""
    if isinstance(cause, exceptions.ProxyError):
        return "the proxy cannot be used"
    if isinstance(cause, exceptions.NameResolutionError):
        return "the name cannot be resolved"
    if isinstance(cause, exceptions.NewConnectionError):  # a kind of ConnectTimeoutError
        return "connection refused" if "refused" in str(cause) else "cannot connect"
    if isinstance(cause, exceptions.ConnectTimeoutError):
        return "no connection in time"
    if isinstance(cause, exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(cause, exceptions.SSLError | ssl.SSLError):
        return f"TLS: {_tls_reason(cause)}"
    if isinstance(cause, exceptions.ProtocolError | ConnectionError):
        return "the connection broke"
    return f"failed ({type(cause).__name__})"


def _tls_reason(cause: BaseException) -> str:
    inner: object = cause
    while isinstance(inner, exceptions.HTTPError) and inner.args:
        inner = inner.args[-1]
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    reason = getattr(inner, "reason", None)
    return str(reason).lower().replace("_", " ") if isinstance(reason, str) else "the handshake failed"

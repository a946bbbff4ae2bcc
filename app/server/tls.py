"""TLS: contexts made from files or memory, and a new certificate put in place without dropping a connection.

How a reload works: connections are accepted with one context that never changes (`Certificates.listener`); its
server-name callback, which OpenSSL calls in every handshake, points the new connection at the current context. A swap
is one assignment, so a handshake sees the old pair or the new one, never a mix; established connections live on.
"""

import logging
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError
from app.observe.metrics import Metrics
from app.server.expiry import not_after
from app.server.selfsigned import Pair

POLL_SECONDS = 1.0
"""How often the files are looked at; one look is three stat calls."""

_log = logging.getLogger("pratique.tls")


class CertificateError(ConfigError):
    """A certificate, key or client CA that cannot serve; the summary says which file and why."""


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of the PEM files; `client_ca` asks callers of /validate for a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def identity(self) -> tuple[object, ...]:
        """Return what changes when any file does: kubelet swaps the directory a symlink leads through."""
        return tuple(_identity(path) for path in (self.certificate, self.key, self.client_ca) if path)


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Loaded:
    """A context that can serve, and when its certificate ends (seconds since 1970)."""

    context: ssl.SSLContext
    expires: float


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # No resumption: the apiserver does not ask for it, tickets cost time in each handshake, and a resumed session would
    # skip the check of a client certificate against a rotated authority.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    return context


def load(files: Files) -> Loaded:
    """Make a context from files and prove that certificate and key belong together.

    Raises:
        CertificateError: a file is missing, unreadable, not PEM, encrypted, or the key is of another certificate.
    """
    context = _new_context()
    try:
        pem = files.certificate.read_text("ascii")
        _load_chain(context, str(files.certificate), str(files.key))
        if files.client_ca:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL  # probes have none; the router refuses /validate without one
        return Loaded(context, not_after(pem))
    except OSError as error:  # ssl.SSLError is one
        if isinstance(error, ssl.SSLError):
            raise CertificateError(_why(files, error)) from error
        raise CertificateError(f"cannot read {error.filename or files.certificate}: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise CertificateError(f"{files.certificate} is not a PEM certificate: {error}") from error


def _why(files: Files, error: ssl.SSLError) -> str:
    """Name the file that OpenSSL's words mean: it has one error for a bad certificate and a bad key."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key {files.key} is not the key of the certificate {files.certificate}"
    for path, mark in ((files.certificate, b"-----BEGIN CERTIFICATE-----"), (files.key, b"PRIVATE KEY-----")):
        if mark not in path.read_bytes():
            return f"{path} holds no PEM {'certificate' if path == files.certificate else 'private key'}"
    return f"cannot load {files.certificate}, {files.key}, {files.client_ca or 'no client CA'}: {error.reason or error}"


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    def no_password() -> str:
        raise ValueError("the private key is encrypted, and nobody is there to type its password")

    context.load_cert_chain(certificate, key, password=no_password)


def from_memory(pair: Pair) -> Loaded:
    """Make a context from a pair in memory (OpenSSL's binding reads files only, so through an anonymous one)."""
    context = _new_context()
    with _private_file(pair.certificate + pair.key) as path:
        context.load_cert_chain(path)
    return Loaded(context, not_after(pair.certificate.decode("ascii")))


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """Yield a path that only this user can read, in memory where the system can, and gone afterwards."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pratique"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:  # pragma: no cover - not on Linux
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(content)
            file.flush()
            yield file.name


class Certificates:
    """The serving certificate, watched. `listener` is the context to listen with."""

    def __init__(
        self, loaded: Loaded, files: Files | None, metrics: Metrics, wall: Callable[[], float] = time.time
    ) -> None:
        """Serve `loaded`; with `files`, `poll` replaces it when they change."""
        self._current = loaded
        self._files = files
        self._metrics = metrics
        self._wall = wall
        self._seen = files.identity() if files else ()
        self._failed: tuple[object, ...] | None = None
        self.asks_client = files is not None and files.client_ca is not None
        self.listener = loaded.context
        self.listener.sni_callback = self._choose
        metrics.certificate_expires(loaded.expires)
        self._warn_of_expiry()

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _listener: ssl.SSLContext) -> None:
        if self._current.context is not self.listener:
            connection.context = self._current.context

    def poll(self) -> bool:
        """Look at the files once; return whether a new pair now serves.

        Two files are not replaced at one instant, so a pair that does not fit is tried again at the next poll, and
        reported when it still does not. The old pair serves on in any case.
        """
        if self._files is None:
            return False
        identity = self._files.identity()
        if identity == self._seen:
            return False
        try:
            loaded = load(self._files)
        except CertificateError as error:
            if identity == self._failed:
                self._seen = identity  # say it once
                self._metrics.reloaded("certificate", success=False)
                _log.error("certificate not reloaded, the old one still serves: %s", error)
            self._failed = identity
            return False
        self._seen, self._failed = identity, None
        self._current = loaded
        self._metrics.certificate_expires(loaded.expires)
        self._metrics.reloaded("certificate", success=True)
        _log.info("certificate reloaded, valid until %s", _date(loaded.expires))
        self._warn_of_expiry()
        return True

    def _warn_of_expiry(self) -> None:
        if self._current.expires < self._wall():
            _log.error("the serving certificate expired on %s; clients will refuse it", _date(self._current.expires))

    @property
    def expires(self) -> float:
        """End of validity of what serves now, seconds since 1970."""
        return self._current.expires


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

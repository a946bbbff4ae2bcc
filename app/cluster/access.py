"""Where the API server is and how to prove who we are; nothing here shows a secret in `repr`, messages or logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.errors import ClusterError


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A PEM certificate (with its chain) and the PEM key that goes with it."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


class Credentials(Protocol):
    """Proof of identity for each new request; may read files or run programs, so never on the event loop's thread."""

    def headers(self) -> Mapping[str, str]:
        """The headers to send now. Raises ClusterError."""

    def certificate(self) -> ClientCertificate | None:
        """The client certificate for new connections, if there is one. Raises ClusterError."""

    def renew(self) -> bool:
        """The server refused what we sent: whether asking again with fresh credentials makes sense."""


class Anonymous:
    """No credentials."""

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def certificate(self) -> ClientCertificate | None:
        """None."""
        return None

    def renew(self) -> bool:
        """Never."""
        return False


class Static(Anonymous):
    """A fixed Authorization header."""

    def __init__(self, authorization: str) -> None:
        self._headers = {"Authorization": authorization}

    def headers(self) -> Mapping[str, str]:
        """The header."""
        return self._headers


class TokenFile(Anonymous):
    """A bearer token in a file, read for every request: kubelet replaces a service account's about hourly."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = ""

    def headers(self) -> Mapping[str, str]:
        """The header with the token as it is now."""
        self._sent = self._read()
        return {"Authorization": f"Bearer {self._sent}"}

    def renew(self) -> bool:
        """Whether the file holds another token by now."""
        return self._read() != self._sent

    def _read(self) -> str:
        token = read(self._path, "token file").decode("utf-8", "replace").strip()
        if not token:
            raise ClusterError(f"token file {self._path} is empty")
        if not token.isascii() or not token.isprintable():
            raise ClusterError(f"token file {self._path} holds no token")
        return token


class CertificateFiles(Anonymous):
    """A client certificate given as files, read again for every new connection pool, or as data."""

    def __init__(self, certificate: Path | bytes, key: Path | bytes) -> None:
        self._certificate = certificate
        self._key = key
        self._used: ClientCertificate | None = None

    def certificate(self) -> ClientCertificate | None:
        """The pair as it is now."""
        self._used = self._read()
        return self._used

    def renew(self) -> bool:
        """Whether the files hold another pair by now."""
        return self._read() != self._used

    def _read(self) -> ClientCertificate:
        return ClientCertificate(_bytes(self._certificate, "client certificate"), _bytes(self._key, "client key"))


class Both(Anonymous):
    """A header from one source and a certificate from another: kubeconfig users may have both."""

    def __init__(self, header: Credentials, certificate: Credentials) -> None:
        self._header = header
        self._certificate = certificate

    def headers(self) -> Mapping[str, str]:
        """The first one's."""
        return self._header.headers()

    def certificate(self) -> ClientCertificate | None:
        """The second one's."""
        return self._certificate.certificate()

    def renew(self) -> bool:
        """Whether either has something new."""
        header, certificate = self._header.renew(), self._certificate.renew()
        return header or certificate


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and one identity."""

    server: str
    """Base URL, without a slash at its end."""
    credentials: Credentials = field(default_factory=Anonymous, repr=False)
    authority: Path | bytes | None = None
    """PEM certificates that sign the server's; None: those of the system."""
    verify: bool = True
    server_name: str | None = None
    """The name the server's certificate must have, where it is not the URL's."""
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy, which may hold a password."""

    def authorities(self) -> str | None:
        """The PEM text of the authority, read now. Raises ClusterError."""
        if self.authority is None:
            return None
        return _bytes(self.authority, "certificate authority").decode("ascii", "replace")


def read(path: Path, what: str) -> bytes:
    """Read a small file whose content stays out of errors. Raises ClusterError."""
    try:
        return path.read_bytes()
    except OSError as cause:
        raise ClusterError(f"cannot read {what} {path}: {cause.strerror or type(cause).__name__}") from None


def _bytes(source: Path | bytes, what: str) -> bytes:
    return source if isinstance(source, bytes) else read(source, what)

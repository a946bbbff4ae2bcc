"""What goes wrong with a registry: RegistryError for callers, Failure within this package."""

from __future__ import annotations

import enum
from typing import Final

from app.errors import PratiqueError

_SHOWN: Final = 300
"""Characters of one error's detail."""


class Kind(enum.StrEnum):
    """What a caller may decide on. Stable: metrics, caches and tests name them."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not-found"
    RATE_LIMITED = "rate-limited"
    TOO_LARGE = "too-large"
    PROTOCOL = "protocol"
    REFUSED_ADDRESS = "refused-address"
    TLS = "tls"


_HINTS: Final = {
    Kind.UNREACHABLE: "check that the registry is up and that the webhook's pod may connect to it",
    Kind.TIMEOUT: "the registry is slow or a firewall drops its packets; try again, or allow the webhook more time",
    Kind.UNAUTHORIZED: "check the pull secret for this repository",
    Kind.NOT_FOUND: "check the name, the tag and the digest",
    Kind.RATE_LIMITED: "pull with credentials or through a mirror, or try again later",
    Kind.TOO_LARGE: "this is more than the configured limit",
    Kind.PROTOCOL: "this is no valid answer of a registry; check the registry and proxies in between",
    Kind.REFUSED_ADDRESS: "if this registry is yours, allow the address in its settings",
    Kind.TLS: "check the registry's certificate, or configure the CA bundle for it",
}


class RegistryError(PratiqueError):
    """A registry did not give what it was asked for.

    The summary is one line: registry, operation, HTTP status, seconds waited, what to do. It never has a credential, a
    query string, or text of the registry's own.
    """

    def __init__(  # noqa: PLR0913 - the parts of the line
        self,
        kind: Kind,
        registry: str,
        operation: str,
        detail: str,
        *,
        hint: str = "",
        status: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Put the line together; `hint` replaces what its kind would advise."""
        diagnosis = hint or _HINTS[kind]
        waited = f"{seconds:.1f} s" if status is None else f"HTTP {status}, {seconds:.1f} s"
        super().__init__(f"registry {registry}: {operation}: {detail} ({waited}); {diagnosis}", diagnosis)
        self.kind = kind
        self.registry = registry
        self.status = status
        self.seconds = seconds


class Failure(Exception):  # noqa: N818 - what it is
    """One failed step, without its context; the client makes a RegistryError of it."""

    def __init__(
        self, kind: Kind, detail: str, *, hint: str = "", status: int | None = None, again: bool = False
    ) -> None:
        """`again`: the connection died without an answer, so that asking once more is safe and worthwhile."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.status = status
        self.again = again


def plain(text: str, limit: int = _SHOWN) -> str:
    """Foreign text made harmless for one line: printable ASCII, bounded."""
    cut = "".join(character if " " <= character <= "~" else "?" for character in text[:limit])
    return f"{cut}..." if len(text) > limit else cut

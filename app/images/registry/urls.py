"""URLs that registries hand out: read once, strictly, and used as read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from urllib.parse import urljoin

from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from app.images.registry.errors import Failure, Kind, plain

_LONGEST: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:")


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request goes; `host` is in lower case and without the brackets of an IPv6 address."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query. Not for errors and logs: queries hold signatures and tokens."""

    @classmethod
    def parse(cls, text: str, base: Self | None = None) -> Self:
        """Read an absolute URL, or one relative to `base`. Raises Failure."""
        if len(text) > _LONGEST or "\\" in text or not all("!" <= character <= "~" for character in text):
            raise Failure(Kind.PROTOCOL, "it names a URL that is not valid")
        try:
            parts = parse_url(urljoin(str(base), text) if base else text)
        except (HTTPError, ValueError):
            raise Failure(Kind.PROTOCOL, "it names a URL that is not valid") from None
        host = (parts.host or "").strip("[]").lower()
        port = _PORTS.get(parts.scheme or "", 0) if parts.port is None else parts.port
        if parts.scheme not in _PORTS or not host or parts.auth is not None or not set(host) <= _HOST or port < 1:
            raise Failure(Kind.PROTOCOL, "it names a URL that is no plain http or https one")
        return cls(parts.scheme, host, port, parts.request_uri)

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, netloc: str, target: str, *, http: bool) -> Self:
        """Build the URL of a request to `host[:port]`, a part of an image reference. Raises Failure."""
        return cls.parse(f"{'http' if http else 'https'}://{netloc}{target}")

    def below(self, path: str) -> Self:
        """Give the URL of something below this one; the path is ours, or was read by `parse`."""
        return type(self)(self.scheme, self.host, self.port, f"{self.target}{path}")

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be equal for credentials to be sent."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host, and port where it is not the scheme's own; fit for errors."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return plain(host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}", 120)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

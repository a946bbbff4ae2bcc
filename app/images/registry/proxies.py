"""Which proxy a request goes through: the host's setting, else HTTPS_PROXY, HTTP_PROXY and NO_PROXY as in Go."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from urllib3.exceptions import HTTPError
from urllib3.util import make_headers, parse_url

from app.images.registry.errors import Failure, Kind
from app.images.registry.settings import HostSettings
from app.images.registry.urls import Url

_PORT: Final = 3128
_HINT: Final = "give it as http://host:port"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, chosen by the administrator: its address is not judged."""

    host: str
    port: int
    headers: tuple[tuple[str, str], ...]


def proxy_for(url: Url, rules: HostSettings, environment: Mapping[str, str]) -> Proxy | None:
    """Choose the proxy for a request; None for a direct connection. Raises Failure for one that cannot be used."""
    if rules.proxy is not None:
        return _read(rules.proxy) if rules.proxy else None
    name = f"{url.scheme}_proxy"
    setting = environment.get(name.upper()) or environment.get(name) or ""
    if not setting or _bypassed(url, environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return None
    return _read(setting)


def _read(text: str) -> Proxy:
    try:
        parts = parse_url(text if "://" in text else f"http://{text}")
    except (HTTPError, ValueError):
        raise Failure(Kind.UNREACHABLE, "the proxy's URL is not valid", hint=_HINT) from None
    if parts.scheme != "http" or not parts.host:
        raise Failure(Kind.UNREACHABLE, "the proxy is no http one", hint=_HINT)
    headers = make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else {}
    return Proxy(parts.host.strip("[]"), parts.port or _PORT, tuple(headers.items()))


def _bypassed(url: Url, rules: str) -> bool:
    """Whether NO_PROXY names the host: `*`, a domain with its subdomains, an address, a network; with a port or not."""
    address = _address(url.host)
    if url.host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_names(entry.strip().lower(), url, address) for entry in rules.split(",") if entry.strip())


def _names(  # noqa: PLR0911 - a table
    entry: str, url: Url, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    host, _, port = entry.rpartition(":")
    if host and port.isdigit() and _address(entry) is None:
        if int(port) != url.port:
            return False
        entry = host
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith((".", "*.")):
        return url.host.endswith(entry.removeprefix("*"))
    return url.host == entry or url.host.endswith(f".{entry}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

"""Settings of the registry client: limits for all registries, exceptions for single hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.core.images.reference import DOCKER_HUB

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KNOWN_TOKEN_HOSTS: Final = {DOCKER_HUB: ("auth.docker.io",), "registry.gitlab.com": ("gitlab.com",)}
"""Registries whose token service is known to be on another host."""
_API_HOSTS: Final = {DOCKER_HUB: "registry-1.docker.io"}
_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What holds for one registry host (or token service, or storage host that a registry redirects to)."""

    ca_bundle: bytes = b""
    """PEM certificates that are trusted for this host in addition to the system's."""
    http: bool = False
    """Speak plain HTTP; credentials then travel unencrypted."""
    skip_verify: bool = False
    """Accept any certificate."""
    mirrors: tuple[str, ...] = ()
    """Hosts asked first, each `host[:port]` or `host[:port]/prefix`; with settings and credentials of their own."""
    mirrors_only: bool = False
    """Never ask the registry itself (air-gapped clusters)."""
    private: bool = True
    """Allow addresses of private ranges (RFC 1918, RFC 6598, fc00::/7)."""
    allow: tuple[Network, ...] = ()
    """Networks that are allowed although they are loopback, link-local, metadata or reserved ones."""
    token_hosts: tuple[str, ...] = ()
    """Hosts, besides the registry's own, to which its credentials may go when it names them as its token service."""
    proxy: str | None = None
    """`http://[user:password@]host:port`; '' for none; None for what the settings for all say."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Everything a Registry needs to know. Immutable: a change is a new object and a new Registry."""

    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    """By `host`, `host:port` (wins over the bare host) or `*.domain`; Docker Hub is `index.docker.io`."""
    default: HostSettings = HostSettings()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are looked up; pass os.environ to obey them."""
    manifest_bytes: int = 4 * _MIB
    blob_bytes: int = 8 * _MIB
    head_bytes: int = 64 * _KIB
    """Status line and headers of one answer, with everything that precedes them."""
    token_bytes: int = 64 * _KIB
    json_depth: int = 64
    redirects: int = 3
    referrers: int = 10_000
    """Referrers of one image, over all pages."""
    pages: int = 16
    credentials: int = 8
    """Credentials that are tried for one call."""
    connections: int = 16
    """Connections to one host at a time."""
    pools: int = 64
    """Hosts to which idle connections are kept."""
    lookups: int = 32
    """Name look-ups that may be under way at a time."""
    cached: int = 4096
    """Tokens and descriptors remembered, each."""

    def of(self, host: str, port: int | None = None) -> HostSettings:
        """Find the settings for a host, or those for all."""
        return self.named(host, port) or self.default

    def named(self, host: str, port: int | None = None) -> HostSettings | None:
        """Find the settings made for this host, if there are any; the longest `*.domain` wins."""
        exact = self.hosts.get(f"{host}:{port}") or self.hosts.get(host)
        if exact is not None:
            return exact
        suffixes = [key for key in self.hosts if key.startswith("*.") and host.endswith(key[1:])]
        return self.hosts[max(suffixes, key=len)] if suffixes else None

    def foreign(self, origin: HostSettings, host: str, port: int, *, private: bool) -> HostSettings:
        """Settings for a host that a registry points to: its own, else the registry's CA and proxy only."""
        own = self.named(host, port)
        if own is not None:
            return own
        return replace(
            self.default, ca_bundle=origin.ca_bundle or self.default.ca_bundle, private=private, proxy=origin.proxy
        )


def token_hosts(registry: str, settings: HostSettings) -> frozenset[str]:
    """Hosts of other names that may get the registry's credentials."""
    return frozenset((*settings.token_hosts, *_KNOWN_TOKEN_HOSTS.get(registry, ())))


def api_host(registry: str) -> str:
    """Give the host that serves a registry's API."""
    return _API_HOSTS.get(registry, registry)

"""Credentials of clouds: which registries are whose, and a clear refusal where the provider is not installed.

A provider is only asked for hosts that match the cloud's pattern as a whole: a host that merely looks like one, such as
`1.dkr.ecr.eu-west-1.amazonaws.com.example.com`, must never get a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.images.registry.credentials import Credential
from app.images.registry.errors import Kind, RegistryError

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud's registries."""

    extra: str
    """The optional dependency that brings the provider: `pratique[<extra>]`."""
    title: str
    hosts: re.Pattern[str]
    """Matched against the whole host."""

    def owns(self, host: str) -> bool:
        """Whether a registry host is one of this cloud."""
        return self.hosts.fullmatch(host) is not None


ECR: Final = Cloud(
    "ecr",
    "Amazon ECR",
    re.compile(  # noqa: TID251 - ours; linear, as a dot ends each part
        rf"[0-9]{{12}}\.dkr[.-]ecr(?:-fips)?\.{_LABEL}\.(?:amazonaws\.com(?:\.cn)?|on\.aws)", re.ASCII
    ),
)
GCR: Final = Cloud(
    "gcr",
    "Google Artifact Registry",
    re.compile(rf"(?:(?:{_LABEL}\.)?gcr\.io|{_LABEL}-docker\.pkg\.dev)", re.ASCII),  # noqa: TID251 - as above
)
ACR: Final = Cloud(
    "acr",
    "Azure Container Registry",
    re.compile(rf"{_LABEL}\.azurecr\.(?:io|cn|us)", re.ASCII),  # noqa: TID251 - as above
)
CLOUDS: Final = (ECR, GCR, ACR)


class CloudProvider(Protocol):
    """Gets a registry login from the identity that the webhook's pod has in its cloud. Called in threads; caches."""

    def credential(self, host: str) -> Credential:
        """Log in to a host of its cloud. Raises RegistryError."""
        ...


@dataclass(frozen=True, slots=True)
class CloudCredentials:
    """A CredentialSource for the clouds that an administrator enabled."""

    enabled: tuple[Cloud, ...] = ()
    providers: Mapping[str, CloudProvider] = field(default_factory=dict)
    """By `Cloud.extra`."""

    def candidates(self, context: str) -> Sequence[Credential]:
        """Ask the provider that the host belongs to; none for other hosts. Raises RegistryError where it is missing."""
        host = context.partition("/")[0]
        for cloud in self.enabled:
            if cloud.owns(host):
                provider = self.providers.get(cloud.extra)
                if provider is None:
                    raise RegistryError(
                        Kind.UNAUTHORIZED,
                        host,
                        "credentials",
                        f"the provider for {cloud.title} is not installed",
                        hint=f"install pratique[{cloud.extra}], or use a pull secret",
                    )
                return (provider.credential(host),)
        return ()

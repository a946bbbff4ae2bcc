"""Where a repository is asked for: the registry's mirrors in order, then the registry."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.images.reference import InvalidReference, Reference
from app.images.registry.errors import Failure, Kind
from app.images.registry.settings import HostSettings, RegistrySettings, api_host
from app.images.registry.urls import Url


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host that serves a repository, under the name that the repository has there."""

    registry: str
    """The name by which credentials and settings know it."""
    host: str
    """The host, with its port if it has one, that serves the API."""
    repository: str
    rules: HostSettings
    url: Url
    """Of the repository's API, without a slash at the end."""

    @property
    def context(self) -> str:
        """What credentials are looked up for."""
        return f"{self.registry}/{self.repository}"


def endpoints(context: str, settings: RegistrySettings) -> list[Endpoint]:
    """Endpoints of a `registry/repository`, in the order in which they are asked. Raises Failure."""
    registry, _, repository = _checked(context).partition("/")
    rules = _rules(registry, settings)
    found = []
    for mirror in rules.mirrors:
        host, _, prefix = mirror.strip("/").partition("/")
        name = f"{prefix}/{repository}" if prefix else repository
        found.append(_endpoint(host, name, _rules(host, settings)))
    if not found or not rules.mirrors_only:
        found.append(_endpoint(registry, repository, rules))
    return found


def _checked(context: str) -> str:
    """Repositories become part of URLs: only those of the references' grammar do."""
    try:
        if Reference.parse(context).context == context:
            return context
    except InvalidReference:
        pass
    raise Failure(Kind.PROTOCOL, "it is asked for what is no repository", hint="check the name of the repository")


def _rules(netloc: str, settings: RegistrySettings) -> HostSettings:
    host, _, port = netloc.rpartition(":")
    if not host or not port.isdigit():
        return settings.of(netloc.strip("[]"))
    return settings.of(host.strip("[]"), int(port))


def _endpoint(registry: str, repository: str, rules: HostSettings) -> Endpoint:
    host = api_host(registry)
    return Endpoint(registry, host, repository, rules, Url.of(host, f"/v2/{repository}", http=rules.http))

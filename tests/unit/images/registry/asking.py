"""What the client's tests share."""

import time
from collections.abc import Sequence

from app.core.images.reference import Reference
from app.images.registry import Credential, HostSettings, Registry, RegistrySettings
from tests.simulators.registry import OciRegistry

REPOSITORY = "team/app"
ANN = Credential("ann", "secret-of-ann")
USERS = {"ann": "secret-of-ann"}


class Source:
    def __init__(self, *credentials: Credential) -> None:
        self.credentials = credentials
        self.asked: list[str] = []

    def candidates(self, context: str) -> Sequence[Credential]:
        self.asked.append(context)
        return self.credentials


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def client(*registries: OciRegistry, hosts: dict[str, HostSettings] | None = None, **more: object) -> Registry:
    table = {registry.netloc: registry.client_settings() for registry in registries}
    return Registry(RegistrySettings(hosts={**table, **(hosts or {})}, **more))  # type: ignore[arg-type]


def context(registry: OciRegistry) -> str:
    return f"{registry.netloc}/{REPOSITORY}"


def ref(registry: OciRegistry, rest: str) -> Reference:
    return Reference.parse(f"{context(registry)}{rest}")

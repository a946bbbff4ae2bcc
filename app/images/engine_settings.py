"""How the engine is told what to use and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from app.core.images.reference import Reference
from app.images.discovery import Limits, Reader
from app.images.registry.content import Descriptor
from app.images.registry.credentials import CredentialSource

OnOutage = Literal["deny", "allow-if-verified-before"]


class Registry(Reader, Protocol):
    """What is needed of app.images.registry.Registry."""

    def resolve(self, ref: Reference, creds: CredentialSource | None, deadline: float) -> Descriptor:
        """Find what a reference names now."""
        ...

    def identity(self, context: str, creds: CredentialSource | None) -> str:
        """What tells callers apart who may see different things."""
        ...


class Caller(NamedTuple):
    """On whose behalf images are looked at."""

    key: str = ""
    """Equal keys stand for equal credentials; '' for the webhook's own."""
    creds: CredentialSource | None = None


ANYBODY: Final = Caller()


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How much may be done at a time, and how long what is remembered. Times in seconds."""

    threads: int = 16
    per_registry: int = 6
    waiting: int = 512
    """Checks that may wait for a thread."""
    patience_seconds: float = 20.0
    """How long a check may take, even if nobody waits for it any more."""
    tag_seconds: float = 3.0
    access_seconds: float = 60.0
    """How long a caller's credentials are taken to be the same."""
    verified_seconds: float = 3600.0
    on_outage: OnOutage = "deny"
    stale_seconds: float = 24 * 3600.0
    """How old a verification may be that `allow-if-verified-before` relies on."""
    limits: Limits = field(default_factory=Limits)
    exhaustive: bool = False
    """Look at all signatures, for people; reviews need one."""

"""What `pratique serve` is told: flags and environment variables, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.server.limits import Limits
from app.server.tls import Files


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one server process depends on besides its files' contents."""

    bind_address: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known beforehand
    """Empty means all addresses, IPv4 and IPv6."""
    port: int = 8443
    """0 takes a free one."""
    tls: Files | None = None
    """None: a self-signed certificate, made at start-up."""
    configuration: Path | None = None
    """A PodSecurityConfiguration; None: privileged everywhere unless a namespace's labels say otherwise."""
    kubeconfig: Path | None = None
    """None: the service account where there is one, else no cluster."""
    controllers: Literal["warn", "enforce"] = "warn"
    """Whether a controller whose pods would be refused is warned about or refused."""
    limits: Limits = field(default_factory=Limits)

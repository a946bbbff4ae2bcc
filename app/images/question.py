"""What verification is asked and told, and what it answers: the values between the engine and `app.images.verify`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from app.core.images.policy import Authority, ImagePolicy, Static
from app.core.images.reference import Reference
from app.core.images.result import ImageResult
from app.errors import PratiqueError
from app.images import explain
from app.images.discovery import Limits, Reader
from app.images.registry.credentials import CredentialSource
from app.images.registry.errors import Kind
from app.images.trust import TrustRoot

REFUSED: Final = "refused"
"""Cause of a refusal that was reached by looking at everything."""
INTERNAL: Final = "internal"
TRUST_ROOT: Final = "trust-root"

OUTAGES: Final = frozenset({Kind.UNREACHABLE, Kind.TIMEOUT, Kind.RATE_LIMITED})
"""Failures of a registry that are an outage: a refused login or a bad certificate is none."""


class RootUnavailable(PratiqueError):  # noqa: N818 - what it is
    """A trust root that a policy names is not at hand."""


class Roots(Protocol):
    """Where trust roots come from."""

    def for_authority(self, authority: Authority) -> TrustRoot | None:
        """Give the root that an authority's signatures are judged by. Raises RootUnavailable; never waits."""
        ...

    def version_for(self, policy: ImagePolicy) -> str:
        """What changes when any root does that a policy's verdicts depend on."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """An image, with the digest that its name stands for now."""

    reference: Reference
    image: str
    """As it was written."""
    digest: str


@dataclass(frozen=True, slots=True)
class World:
    """What verification may ask and how long."""

    registry: Reader
    roots: Roots
    creds: CredentialSource | None
    now: dt.datetime
    deadline: float
    """A value of time.monotonic."""
    limits: Limits = field(default_factory=Limits)
    exhaustive: bool = False
    """Look at everything, also after the policy is satisfied: for people, not for reviews."""


class Checked(NamedTuple):
    """A result, and why it is what it is, for whoever remembers it."""

    result: ImageResult
    cause: str
    """'' for a success, REFUSED, TRUST_ROOT, INTERNAL, or the kind of a RegistryError."""


def without_registry(image: str, policy: ImagePolicy, digest: str) -> ImageResult | None:
    """The result where static authorities alone decide; None where signatures have to be looked at."""
    statics = [one.by for one in policy.authorities if isinstance(one.by, Static)]
    if any(one.action == "pass" for one in statics):
        return ImageResult(image, digest, policy.name, ok=True)
    if len(statics) < len(policy.authorities):
        return None
    said = explain.listed([one.message for one in statics if one.message], "; ")
    return ImageResult(image, digest, policy.name, ok=False, reason=said or "the policy refuses every image")

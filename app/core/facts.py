"""What the outside world said, frozen before judging starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from app.core.images.result import ImageResult
from app.core.unknown import Unknown


@dataclass(frozen=True, slots=True)
class PodList:
    """The existing pods of a namespace, for the warnings on a new enforce level."""

    pods: Sequence[msgspec.Raw | bytes]
    """Each pod as undecoded JSON."""
    total: int
    """How many pods there are, of which `pods` may be only the first."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that judging one request may need from outside."""

    labels: Mapping[str, str] | Unknown = field(default_factory=dict)
    """Labels of the request's namespace; empty without a cluster."""
    images: Mapping[tuple[str, str], ImageResult] = field(default_factory=dict)
    """Results of image policies, by the image as it was written and the policy's name."""
    pods: PodList | Unknown | None = None
    """Existing pods, when `Need.PODS` was asked for."""

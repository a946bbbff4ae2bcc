"""Answers of the engine that need no verification."""

from __future__ import annotations

from app.core.images.judge import ImageRequest
from app.core.images.result import ImageResult
from app.core.unknown import Unknown
from app.errors import PratiqueError
from app.images.lanes import Overloaded
from app.images.question import INTERNAL, Checked, without_registry
from app.images.registry.errors import Kind, RegistryError


def static(request: ImageRequest) -> ImageResult | None:
    """The result where no signature has to be looked at; but a digest that the policy asks for has to be known."""
    reference, image, policy = request
    if policy.digest_required and not reference.digest:
        return None
    return without_registry(image, policy, reference.digest)


def troubled(request: ImageRequest, error: PratiqueError) -> Checked:
    """The result for an image that nothing could be asked about."""
    cause: str = INTERNAL
    if isinstance(error, RegistryError):
        cause = error.kind
    elif isinstance(error, Overloaded):
        cause = Kind.TIMEOUT
    result = ImageResult(
        request.image,
        request.reference.digest,
        request.policy.name,
        ok=False,
        reason=f"it could not be checked: {error.summary}",
        unknown=Unknown(error.summary),
    )
    return Checked(result, cause)


def internal(error: Exception) -> str:
    """Tell a bug of ours."""
    return f"internal error of the image verification ({type(error).__name__})"


def late(request: ImageRequest, seconds: float) -> Checked:
    """The result of an image whose check is still under way at the deadline."""
    registry = request.reference.registry
    hint = "try again: the check goes on meanwhile, and its result is remembered"
    return troubled(
        request,
        RegistryError(Kind.TIMEOUT, registry, "image verification", "no result in time", hint=hint, seconds=seconds),
    )


def ago(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

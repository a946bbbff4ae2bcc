"""What verification of one image against one policy came to."""

from dataclasses import dataclass

from app.core.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """One signature or attestation that was found, and whether it counted."""

    where: str
    """'referrers', 'fallback-tag', 'sig-tag' or 'att-tag'."""
    kind: str
    """Its format, for example 'bundle v0.3' or 'simple signing'."""
    digest: str
    identity: str = ""
    """The certificate's subject, or 'key <fingerprint8>'; '' where it could not be read."""
    issuer: str = ""
    counted: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class ImageResult:
    """The verdict on one image under one policy."""

    image: str
    digest: str
    policy: str
    ok: bool
    reason: str = ""
    """One line for the user; '' when ok."""
    found: tuple[Found, ...] = ()
    unknown: Unknown | None = None
    """Set when the image could not be checked at all (registry down, out of time): neither signed nor unsigned."""

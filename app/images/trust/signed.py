"""What is signed, by whom, under which terms, and what came of it: the values that pass between the checks."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509

from app.core.images.policy import Key, Keyless, LogDuty, StampDuty
from app.images.trust.key import PublicKey
from app.images.trust.root import TrustRoot

TimeSource = Literal["log v1", "log v2+tsa", "tsa", "none"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature and the exact bytes that it covers."""

    message: bytes
    """What was signed: the payload itself, or the PAE of a DSSE envelope."""
    signature: bytes
    payload: bytes
    """The content that becomes a verified fact."""
    dsse: bool
    envelope: bytes = b""
    """A legacy attestation's envelope as stored: old versions of cosign stamped it instead of the signature."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that made a signature, and the certificate that names its holder if there is one."""

    key: PublicKey
    certificate: x509.Certificate | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which conditions evidence counts."""

    root: TrustRoot | None
    by: Keyless | Key
    log: LogDuty
    timestamps: StampDuty
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """Facts that a signature by a permitted signer vouches for."""

    identity: str
    """The certificate's subject, or 'key <fingerprint8>'."""
    issuer: str
    """The OIDC issuer; '' for keys."""
    time: dt.datetime | None
    """The earliest trusted time at which the signature existed; None where none was asked for (keys only)."""
    time_source: TimeSource
    predicate_type: str
    """The statement's; '' for simple signing payloads and blobs."""
    statement: bytes
    """The signed payload, byte for byte: the only thing that may be read further."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What the signer attached (`cosign sign -a`), as signed."""

"""Compiled image policies: what verification needs to know, made by `app.config` from policy documents.

Everything here is frozen and hashable or a mapping that nobody changes; a document that is edited becomes a new value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

LogDuty = Literal["required", "ignored"]
StampDuty = Literal["none", "required"]
Mode = Literal["enforce", "warn"]
MultiArch = Literal["index", "child", "any"]


class Identity(NamedTuple):
    """One permitted signer: one of each pair is given, the other is ''. RE2 expressions match the whole text."""

    issuer: str = ""
    issuer_regexp: str = ""
    subject: str = ""
    subject_regexp: str = ""


@dataclass(frozen=True, slots=True)
class Keyless:
    """Signed with a short-lived certificate of a trusted CA; any one identity suffices, none refuses everything."""

    identities: tuple[Identity, ...]
    trust_root: str = ""
    """Name of the TrustRoot document; '' is the default root."""
    ignore_sct: bool = False
    """Do not ask for a certificate transparency timestamp (private CAs without a CT log)."""
    ca_cert: bytes = b""
    """PEM certificates that replace the trust root's CAs; b'' keeps those."""


@dataclass(frozen=True, slots=True)
class Key:
    """Signed with one of the public keys in `pem` (any of several blocks)."""

    pem: bytes
    hash_algorithm: str = "sha256"


@dataclass(frozen=True, slots=True)
class Static:
    """Always passes or always fails, without looking at signatures."""

    action: Literal["pass", "fail"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement about the image that must exist, be signed by the authority, and satisfy `cel` or `conditions`."""

    name: str
    predicate_type: str
    """The full URI, never a short name."""
    cel: str = ""
    """Expression over `statement` and `predicate`; '' asks for existence only."""
    conditions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """Who may vouch for an image; one passing authority satisfies its policy."""

    name: str
    by: Keyless | Key | Static
    log: LogDuty = "required"
    timestamps: StampDuty = "none"
    log_trust_root: str = ""
    timestamp_trust_root: str = ""
    sources: tuple[str, ...] = ()
    """Repositories where signatures are looked for instead of next to the image."""
    attestations: tuple[Attestation, ...] = ()
    """If given, these are demanded instead of a signature, all of them."""


@dataclass(frozen=True, slots=True)
class ResourceMatch:
    """Which objects a policy concerns; '' and '*' match anything, `labels` are those of the pod (template)."""

    group: str = ""
    version: str = ""
    resource: str = ""
    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """(key, operator, values) with the operators of a Kubernetes label selector."""


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """One policy document, ready for matching and verification."""

    name: str
    images: tuple[str, ...]
    """Globs over the fully qualified reference; any match selects the policy."""
    authorities: tuple[Authority, ...]
    matches: tuple[ResourceMatch, ...] = ()
    mode: Mode = "enforce"
    digest_required: bool = False
    multi_arch: MultiArch = "any"
    hash: str = ""
    """Stable hash of the document's content: part of every cache key."""

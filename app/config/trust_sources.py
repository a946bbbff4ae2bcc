"""Where a TrustRoot document says that trust comes from: plain values for whoever loads trust roots."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """A certificate or timestamp authority."""

    uri: str
    organization: str
    common_name: str
    pem: bytes
    """Its certificates in PEM, the root last; at least one, all readable."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A transparency or certificate log."""

    base_url: str
    hash_algorithm: str
    """`sha256`, `sha384` or `sha512`: that of the log's tree."""
    pem: bytes
    """Its public key in PEM: one block, readable."""


@dataclass(frozen=True, slots=True)
class SigstoreKeys:
    """Keys and certificates that the document itself has. Valid from the beginning of time without an end."""

    certificate_authorities: tuple[CertificateChain, ...] = ()
    tlogs: tuple[LogKey, ...] = ()
    ctlogs: tuple[LogKey, ...] = ()
    timestamp_authorities: tuple[CertificateChain, ...] = ()


@dataclass(frozen=True, slots=True)
class TufRepository:
    """A TUF repository that the document itself has: nothing is ever fetched."""

    root: bytes
    """The initial root.json."""
    archive: bytes
    """The repository as a gzip-compressed tar, not opened yet: bound what it unpacks to."""
    targets: str = "targets"
    """Directory of the targets within it."""
    trusted_root_target: str = "trusted_root.json"


@dataclass(frozen=True, slots=True)
class TufRemote:
    """A TUF repository to fetch from a mirror."""

    root: bytes
    """The initial root.json."""
    mirror: str
    """URL with http or https."""
    targets: str = "targets"
    trusted_root_target: str = "trusted_root.json"


_FIELDS = {
    "certificateAuthorities": "certificate_authorities",
    "tLogs": "tlogs",
    "ctLogs": "ctlogs",
    "timestampAuthorities": "timestamp_authorities",
}


@dataclass(frozen=True, slots=True)
class TrustSource:
    """A TrustRoot document."""

    name: str
    source: SigstoreKeys | TufRepository | TufRemote
    hash: str
    """SHA-256, in hex, of the document's content."""

    def has(self, service: str) -> bool:
        """Whether there is any of a service, named as in the document (`tLogs`); yes where only loading will tell."""
        return not isinstance(self.source, SigstoreKeys) or bool(getattr(self.source, _FIELDS[service]))

"""What cosign before version 3 wrote into the annotations of a signature layer."""

from collections.abc import Mapping

from cryptography import x509

from app.images.trust import certificate as certificates
from app.images.trust import entry, strict
from app.images.trust.entry import Entry
from app.images.trust.errors import Code, refuse

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"


def credentials(
    annotations: Mapping[str, str],
) -> tuple[x509.Certificate | None, tuple[x509.Certificate, ...], tuple[bytes, ...], tuple[Entry, ...]]:
    """Certificate, other certificates, timestamps and log entries; empty where an annotation is absent or empty."""
    leaf = (
        certificates.load_pem(annotations.get(CERTIFICATE) or "", "the certificate annotation")
        if annotations.get(CERTIFICATE)
        else []
    )
    if annotations.get(CERTIFICATE) and len(leaf) != 1:
        refuse(Code.CERTIFICATE, f"the certificate annotation has {len(leaf)} certificates, not one")
    chain = annotations.get(CHAIN)
    presented = certificates.load_pem(chain, "the chain annotation") if chain and leaf else []
    stamp = annotations.get(TIMESTAMP)
    logged = annotations.get(BUNDLE)
    return (
        leaf[0] if leaf else None,
        tuple(presented),
        (_stamp(stamp),) if stamp else (),
        (entry.from_annotation(logged),) if logged else (),
    )


def _stamp(raw: str) -> bytes:
    what = "the timestamp annotation"
    return strict.octets(strict.document(raw, what), "SignedRFC3161Timestamp", what)

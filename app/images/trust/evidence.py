"""The one judgement that every format ends in: signer, time, log, chain, SCT, identity, in this order."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from app.core.images.policy import Key, Keyless
from app.images.trust import certificate as certificates
from app.images.trust import identity, timestamp
from app.images.trust import key as keys
from app.images.trust.entry import Entry
from app.images.trust.errors import Code, TrustError, refuse
from app.images.trust.root import TrustRoot
from app.images.trust.signed import Signed, Signer, Terms, TimeSource, Verified

SKEW = dt.timedelta(minutes=5)
"""How far a trusted time may lie in the future of our clock."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that came with a signature, none of it believed yet."""

    signed: Signed
    certificate: x509.Certificate | None = None
    presented: tuple[x509.Certificate, ...] = ()
    """Other certificates that were sent along: never anchors."""
    stamps: tuple[bytes, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Who signed and when, established."""

    identity: str
    issuer: str
    time: dt.datetime | None
    time_source: TimeSource


def judge(evidence: Evidence, terms: Terms) -> Proof:
    """Establish who signed and when, or say which check failed.

    Raises:
        TrustError: the first check that fails.
    """
    signer = _signer(evidence, terms)
    root = terms.root
    entries = _entries(evidence, terms)
    stamped = _stamped(evidence, terms)
    if terms.log == "ignored" and (stamped or isinstance(terms.by, Key)):
        entries = ()
    logged, generations = _logged(evidence, terms, entries, signer, stamped)
    times = [*stamped, *logged]
    if any(when > terms.now + SKEW for when in times):
        refuse(Code.TIMESTAMP, f"the signature's time {max(times):%Y-%m-%d %H:%M:%S} UTC lies in the future")
    source: TimeSource = (
        "log v1" if logged else "log v2+tsa" if stamped and 2 in generations else "tsa" if stamped else "none"
    )
    earliest = min(times, default=None)
    if isinstance(terms.by, Key):
        return Proof(keys.name(signer.key), "", earliest, source)
    if earliest is None or signer.certificate is None:
        refuse(
            Code.TIMESTAMP,
            "nothing trusted says when the signature was made, and a certificate is valid for minutes only",
        )
    named = _named(evidence, terms.by, root, signer.certificate, times)
    return Proof(named.subject, named.issuer, earliest, source)


def conclude(proof: Proof, payload: bytes, read: Callable[[], tuple[str, dict[str, str]]]) -> Verified:
    """Read what the established signer said; a refusal from here on names that signer."""
    try:
        predicate_type, annotations = read()
    except TrustError as error:
        error.identity, error.issuer = proof.identity, proof.issuer
        raise
    return Verified(proof.identity, proof.issuer, proof.time, proof.time_source, predicate_type, payload, annotations)


def _signer(evidence: Evidence, terms: Terms) -> Signer:
    """Check the signature itself with the key that it must have been made with."""
    signed, certificate = evidence.signed, evidence.certificate
    if isinstance(terms.by, Key):
        candidates = keys.from_pem(terms.by.pem)
        if certificate is not None:
            wanted = ", ".join(map(keys.name, candidates))
            refuse(Code.KEY, f"signed with a certificate, the policy expects {wanted}")
        return Signer(keys.which(candidates, signed.signature, signed.message, terms.by.hash_algorithm))
    if certificate is None:
        refuse(Code.CERTIFICATE, "signed with a bare key, the policy expects a certificate (keyless signing)")
    certificates.check_profile(certificate)
    key = keys.accept(certificate.public_key())
    if not keys.verifies(key, signed.signature, signed.message):
        refuse(Code.SIGNATURE, "the signature was not made by the certificate's key, or the signed content was changed")
    return Signer(key, certificate)


def _stamped(evidence: Evidence, terms: Terms) -> list[dt.datetime]:
    """The times of all RFC 3161 timestamps; one that does not verify refuses the signature.

    Where the root knows no timestamp authority and none is asked for, stamps say nothing and are left alone.
    """
    authorities = terms.root.stamp_authorities if terms.root else ()
    required = terms.timestamps == "required"
    if required and not evidence.stamps:
        refuse(Code.TIMESTAMP, "the signature has no RFC 3161 timestamp, which the policy requires")
    if not required and not authorities:
        return []
    if len(evidence.stamps) != len(set(evidence.stamps)):
        refuse(Code.TIMESTAMP, "the signature carries the same timestamp twice")
    messages = [each for each in (evidence.signed.signature, evidence.signed.envelope) if each]
    return [timestamp.verify(stamp, messages, authorities) for stamp in evidence.stamps]


def _entries(evidence: Evidence, terms: Terms) -> tuple[Entry, ...]:
    """The entries that have to be verified: those of known logs, of which there must be one if the policy wants a log.

    An entry of an unknown log proves nothing, and spoils nothing as long as another one is known. Without the duty, an
    entry still serves as the only trusted time of a certificate.
    """
    known = terms.root.logs if terms.root else {}
    familiar = tuple(each for each in evidence.entries if each.log_id in known)
    if terms.log == "required" and not familiar:
        if not evidence.entries:
            refuse(Code.LOG, "the signature has no transparency log entry, which the policy requires")
        shown = evidence.entries[0].log_id.hex()[:16]
        refuse(Code.UNTRUSTED_ROOT, f"the log entry is of log {shown}..., which the trust root does not know")
    return familiar


def _logged(
    evidence: Evidence, terms: Terms, entries: Sequence[Entry], signer: Signer, stamped: Sequence[dt.datetime]
) -> tuple[list[dt.datetime], set[int]]:
    """The times that logs vouch for, and which generations of Rekor the entries are of."""
    logs = terms.root.logs if terms.root else {}
    times = [each.verify(logs[each.log_id], evidence.signed, signer, stamped, terms.now) for each in entries]
    return [when for when in times if when is not None], {each.generation for each in entries}


def _named(
    evidence: Evidence,
    by: Keyless,
    root: TrustRoot | None,
    certificate: x509.Certificate,
    times: Sequence[dt.datetime],
) -> identity.Signer:
    """Chain, SCT and identity of the certificate; the chain must hold at every trusted time."""
    authorities = certificates.from_policy(by.ca_cert) if by.ca_cert else root.authorities if root else ()
    presented = tuple(each for each in evidence.presented if each.subject != each.issuer)
    issuers: list[x509.Certificate] = []
    for when in times:
        issuers = certificates.chain_at(certificate, authorities, when, presented)
    if not by.ignore_sct:
        certificates.check_sct(certificate, issuers, root.ct_logs if root else {})
    named = identity.read(certificate)
    identity.permit(named, by.identities)
    return named

"""Certificates of keyless signing: the profile of a signing certificate, its chain at a verified time, its SCT."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.images.trust.errors import Code, cause, fence, refuse, show
from app.images.trust.window import Window

if TYPE_CHECKING:
    from app.images.trust.root import Log

MAX_PRESENTED = 8
"""Most certificates that a signature may bring along."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: `anchors` are trusted, `between` only help to reach them."""

    name: str
    anchors: tuple[x509.Certificate, ...]
    between: tuple[x509.Certificate, ...]
    store: verification.Store
    window: Window

    @classmethod
    def of(cls, name: str, chain: Sequence[x509.Certificate], window: Window) -> "Authority":
        """From a chain as trusted_root.json lists it: the last one is the anchor."""
        anchors = (chain[-1],)
        return cls(name, anchors, tuple(chain[:-1]), verification.Store(list(anchors)), window)

    @property
    def ends(self) -> dt.datetime:
        """When it can certify nothing new any more."""
        ends = [certificate.not_valid_after_utc for certificate in (*self.anchors, *self.between)]
        return min([*ends, self.window.end] if self.window.end else ends)


@lru_cache(maxsize=64)
def from_policy(pem: bytes) -> tuple[Authority, ...]:
    """The authority that a policy's own CA certificates make: self-issued ones are anchors, without any all are."""
    with fence(Code.POLICY, "the policy's CA certificates cannot be read"):
        certificates = x509.load_pem_x509_certificates(pem)
    anchors = tuple(each for each in certificates if each.subject == each.issuer) or tuple(certificates)
    between = tuple(each for each in certificates if each not in anchors)
    return (Authority("the policy's CA", anchors, between, verification.Store(list(anchors)), Window()),)


def load_der(der: bytes, what: str) -> x509.Certificate:
    """Read one DER certificate."""
    with fence(Code.CERTIFICATE, f"{what} cannot be read"):
        return x509.load_der_x509_certificate(der)


def load_pem(pem: str, what: str) -> list[x509.Certificate]:
    """Read the PEM certificates of an annotation, at most MAX_PRESENTED of them."""
    if pem.count("-----BEGIN CERTIFICATE-----") > MAX_PRESENTED:
        refuse(Code.CERTIFICATE, f"{what} has more than {MAX_PRESENTED} certificates")
    with fence(Code.CERTIFICATE, f"{what} cannot be read"):
        return x509.load_pem_x509_certificates(pem.encode())


def is_root(certificate: x509.Certificate) -> bool:
    """Whether the certificate is issued by itself and says that it is a CA."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and certificate.subject == certificate.issuer


def check_profile(certificate: x509.Certificate) -> None:
    """Refuse what is not a code signing leaf: sigstore's certificate profile."""
    with fence(Code.CERTIFICATE, "the certificate's extensions cannot be read"):
        extensions = certificate.extensions
        if certificate.version is not x509.Version.v3:
            refuse(Code.CERTIFICATE, "the certificate is not of X.509 version 3")
        for extension in extensions:
            if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
                refuse(Code.CERTIFICATE, "a CA's certificate cannot sign images")
        try:
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
            purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            refuse(Code.CERTIFICATE, "the certificate does not say what its key is for")
        if not usage.digital_signature:
            refuse(Code.CERTIFICATE, "the certificate's key is not for signatures")
        if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
            refuse(Code.CERTIFICATE, "the certificate's key is not for code signing")


def chain_at(
    certificate: x509.Certificate,
    authorities: Sequence[Authority],
    when: dt.datetime,
    presented: Sequence[x509.Certificate] = (),
) -> list[x509.Certificate]:
    """The issuers of a certificate, up to an anchor that was trusted at `when`.

    `presented` came with the signature: it may fill a gap below an anchor, and never is one.

    Raises:
        TrustError: `expired` if the certificate itself was not valid then, else `untrusted-root`.
    """
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not starts <= when <= ends:
        valid = f"from {starts:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S} UTC"
        refuse(Code.EXPIRED, f"the certificate was valid {valid}, but the signature is of {when:%Y-%m-%d %H:%M:%S} UTC")
    why = "the trust root has no certificate authority"
    for authority in authorities:
        if not authority.window.holds(when):
            why = f"{authority.name} is trusted {authority.window}, the signature is of {when:%Y-%m-%d}"
            continue
        verifier = (
            verification.PolicyBuilder()
            .store(authority.store)
            .time(when)
            .extension_policies(ca_policy=_CA_POLICY, ee_policy=_LEAF_POLICY)
            .build_client_verifier()
        )
        try:
            return verifier.verify(certificate, [*authority.between, *presented]).chain[1:]
        except (verification.VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
            why = cause(error)
    return refuse(
        Code.UNTRUSTED_ROOT,
        f"the certificate, issued by {show(certificate.issuer.rfc4514_string())}, leads to no trusted CA: {why}",
    )


# A client's certificate would need the client-auth purpose; check_profile asks for code signing instead. The rest of
# the profile (key kinds, constraints, criticality) stays as the library's defaults have it.
_CA_POLICY = verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(
    x509.ExtendedKeyUsage, verification.Criticality.NON_CRITICAL, None
)
_LEAF_POLICY = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
    x509.ExtendedKeyUsage, verification.Criticality.NON_CRITICAL, None
)


def check_sct(
    certificate: x509.Certificate, issuers: Sequence[x509.Certificate], logs: Mapping[bytes, Sequence["Log"]]
) -> None:
    """Require one SCT by a CT log that was trusted when it made it.

    Raises:
        TrustError: with code `sct`.
    """
    with fence(Code.SCT, "the certificate's transparency timestamp (SCT) cannot be read"):
        try:
            stamps = list(
                certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
            )
        except x509.ExtensionNotFound:
            refuse(Code.SCT, "the certificate has no transparency timestamp (SCT)")
        if len(stamps) != 1:
            refuse(Code.SCT, f"the certificate has {len(stamps)} transparency timestamps (SCT), not one")
        log_id, when = stamps[0].log_id, stamps[0].timestamp.replace(tzinfo=dt.UTC)
    named = logs.get(log_id, ())
    if not named:
        refuse(Code.SCT, f"the certificate's transparency timestamp is by an unknown log ({log_id.hex()[:16]}...)")
    log = next((each for each in named if each.window.holds(when)), None)
    if log is None:
        refuse(
            Code.SCT, f"CT log {show(named[0].name)} is trusted {named[0].window}, the timestamp is of {when:%Y-%m-%d}"
        )
    log.key.verify_sct(certificate, issuers)

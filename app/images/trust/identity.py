"""Who signed: the issuer and the subject of a Fulcio certificate, and whether the policy permits that pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]
from cryptography import x509

from app.core.images.policy import Identity
from app.images.trust.errors import Code, TrustError, fence, refuse, show

ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
MAX_PATTERN = 2048
"""Longest regular expression of a policy, in characters."""
MAX_VALUE = 4096
"""Longest issuer or subject, in characters."""
MAX_IDENTITIES = 256
_RE2_MEMORY = 1 << 20
_UTF8_STRING = 0x0C
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Signer:
    """The issuer and the subject that one certificate binds together."""

    issuer: str
    subject: str


def read(certificate: x509.Certificate) -> Signer:
    """Issuer and subject of a certificate, both from this one.

    Raises:
        TrustError: with code `certificate`: not one name, one of another type than e-mail or URI, or two issuers.
    """
    with fence(Code.CERTIFICATE, "the certificate's extensions cannot be read"):
        extensions = certificate.extensions
        return Signer(_issuer(extensions), _subject(extensions))


def _issuer(extensions: x509.Extensions) -> str:
    new, old = _raw(extensions, ISSUER), _raw(extensions, ISSUER_V1)
    if new is None and old is None:
        refuse(Code.CERTIFICATE, "the certificate names no OIDC issuer, so it is not one of Fulcio's")
    issuer = _utf8_string(new) if new is not None else (old or b"").decode()
    if old is not None and old.decode() != issuer:
        refuse(Code.CERTIFICATE, f"the certificate names two issuers, {show(issuer)} and {show(old.decode())}")
    if not issuer or len(issuer) > MAX_VALUE:
        refuse(Code.CERTIFICATE, "the certificate's issuer is empty or too long")
    return issuer


def _raw(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        value = extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    if not isinstance(value, x509.UnrecognizedExtension):
        refuse(Code.CERTIFICATE, f"extension {oid.dotted_string} is not text")
    return value.value


def _utf8_string(der: bytes) -> str:
    """The text of a DER UTF8String that fills `der` exactly."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        refuse(Code.CERTIFICATE, "the certificate's issuer is not a UTF8String")
    size, start = der[1], 2
    if size & 0x80:
        width = size & 0x7F
        start = 2 + width
        size = int.from_bytes(der[2:start])
        # DER has one spelling: the long form only where the short one does not do, and without leading zeros.
        if not 1 <= width <= 2 or len(der) < start or size < 0x80 or size.bit_length() <= 8 * (width - 1):
            refuse(Code.CERTIFICATE, "the certificate's issuer has a malformed length")
    if len(der) != start + size:
        refuse(Code.CERTIFICATE, "the certificate's issuer has a wrong length")
    return der[start:].decode()


def _subject(extensions: x509.Extensions) -> str:
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        refuse(Code.CERTIFICATE, "the certificate has no subject alternative name")
    if len(names) != 1:
        refuse(Code.CERTIFICATE, f"the certificate has {len(names)} subject names, not one")
    subject = names[0]
    # The two types are kept apart by their text, as policies name no type: a URI has '://', an address never has.
    if isinstance(subject, x509.UniformResourceIdentifier):
        fits = "://" in subject.value
    elif isinstance(subject, x509.RFC822Name):
        fits = "@" in subject.value and "://" not in subject.value
    else:
        refuse(
            Code.CERTIFICATE,
            f"the certificate's subject is a {type(subject).__name__}, neither an e-mail address nor a URI",
        )
    if not fits or len(subject.value) > MAX_VALUE:
        refuse(Code.CERTIFICATE, f"the certificate's subject {show(subject.value)} does not fit its type")
    return str(subject.value)


@lru_cache(maxsize=1024)
def pattern(expression: str) -> Any:
    """Compile a policy's RE2 expression, bounded and silent.

    Raises:
        TrustError: with code `policy`.
    """
    if len(expression) > MAX_PATTERN:
        refuse(Code.POLICY, f"a regular expression of {len(expression)} characters is longer than {MAX_PATTERN}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    try:
        return re2.compile(expression, options)
    except (re2.error, ValueError, TypeError) as error:
        raise TrustError(Code.POLICY, f"{show(expression)} is not an RE2 expression: {show(error)[1:-1]}") from error


def _fits(value: str, exact: str, expression: str) -> bool:
    """Whether the value is the exact text, or the whole of it matches the expression; neither given permits nothing."""
    if exact:
        return value == exact
    return bool(expression) and pattern(expression).fullmatch(value) is not None


def permit(signer: Signer, identities: Sequence[Identity]) -> None:
    """Accept the signer if one identity permits its issuer and its subject together.

    Raises:
        TrustError: `issuer` where only the issuer is wrong, else `identity`; says what was expected and found.
    """
    if len(identities) > MAX_IDENTITIES:
        refuse(Code.POLICY, f"the authority lists {len(identities)} identities, more than {MAX_IDENTITIES}")
    subject_fits = False
    for one in identities:
        subject = _fits(signer.subject, one.subject, one.subject_regexp)
        if subject and _fits(signer.issuer, one.issuer, one.issuer_regexp):
            return
        subject_fits = subject_fits or subject
    expected = " or ".join(_describe(one) for one in identities[:_LISTED]) or "no identity at all"
    more = f" or {len(identities) - _LISTED} more" if len(identities) > _LISTED else ""
    found = f"signed by {show(signer.subject)} (issuer {show(signer.issuer)})"
    code = Code.ISSUER if subject_fits else Code.IDENTITY
    summary = f"{found}; the policy expects {expected}{more}"
    raise TrustError(code, summary, identity=signer.subject, issuer=signer.issuer)


def _describe(one: Identity) -> str:
    def side(exact: str, expression: str) -> str:
        return show(exact) if exact else f"one matching {show(expression)}" if expression else "nothing"

    return f"{side(one.subject, one.subject_regexp)} (issuer {side(one.issuer, one.issuer_regexp)})"

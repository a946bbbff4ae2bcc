"""When a certificate ends, read without an X.509 library: importing one would cost 10 MiB for one number.

Only certificates that OpenSSL has already accepted come here, so this is a reader of well-formed DER, not a validator.
"""

import calendar
import ssl
import time

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0x18, 0xA0
_PEM_END = "-----END CERTIFICATE-----"
_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"


def not_after(pem: str) -> float:
    """Return the end of validity of the first certificate in `pem`, in seconds since 1970 (RFC 5280, 4.1.2.5).

    Raises:
        ValueError: there is no certificate, or its DER is not one.
    """
    begin = pem.find(_PEM_BEGIN)
    end = pem.find(_PEM_END, begin)
    if begin < 0 or end < 0:
        raise ValueError("no PEM certificate")
    der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(_PEM_END)])
    try:
        return _read(der)
    except IndexError as error:
        raise ValueError("truncated certificate") from error


def _read(der: bytes) -> float:
    _, at, _ = _element(der, 0, _SEQUENCE)  # Certificate
    _, at, _ = _element(der, at, _SEQUENCE)  # TBSCertificate
    tag, _, end = _element(der, at)
    if tag == _EXPLICIT_VERSION:
        at = end
    for _field in ("serialNumber", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at, _SEQUENCE)  # Validity
    _, _, at = _element(der, at)  # notBefore
    tag, start, end = _element(der, at)
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 50 to 99 are the twentieth century
        text = ("19" if text >= "5" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"notAfter has tag {tag:#x}")
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))


def _element(der: bytes, at: int, expected: int | None = None) -> tuple[int, int, int]:
    """Return tag, start and end of the contents of the DER element at `at`."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    if expected is not None and tag != expected:
        raise ValueError(f"DER tag {tag:#x} instead of {expected:#x}")
    return tag, start, start + length

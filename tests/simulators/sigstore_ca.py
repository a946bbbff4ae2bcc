"""A certificate authority like Fulcio with a CT log, and a timestamp authority."""

import datetime as dt
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.simulators import sigstore_der as asn1
from tests.simulators.sigstore_keys import NOW, YEAR, Signer, b64, der, iso, new_key, sha256, spki

FULCIO = "1.3.6.1.4.1.57264.1."
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
USAGES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in names for each in USAGES})


def named(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fake.test"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


def ca_certificate(text: str, issuer: Signer | None = None, path_length: int | None = None) -> Signer:
    """A CA's key and certificate, self-issued without an issuer."""
    key = new_key()
    signing, name = (issuer.key, issuer.certificate.subject) if issuer and issuer.certificate else (key, named(text))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(text))
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 2 * YEAR)
        .not_valid_after(NOW + 10 * YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .sign(signing, hashes.SHA256())
    )
    return Signer(key, certificate)


def trusted_authority(chain: Sequence[x509.Certificate], uri: str) -> dict[str, Any]:
    """An authority as trusted_root.json lists it."""
    return {
        "subject": {"organization": "fake.test", "commonName": "fake"},
        "uri": uri,
        "certChain": {"certificates": [{"rawBytes": b64(der(each))} for each in chain]},
        "validFor": {"start": iso(NOW - 2 * YEAR)},
    }


class Fulcio:
    """Root, intermediate and CT log; `leaf` makes signing certificates, honest ones and others."""

    def __init__(self) -> None:
        self.root = ca_certificate("fake fulcio root")
        self.intermediate = ca_certificate("fake fulcio intermediate", self.root, path_length=0)
        self.ct_key = new_key()

    @property
    def chain(self) -> list[x509.Certificate]:
        return [each.certificate for each in (self.intermediate, self.root) if each.certificate]

    def ct_log(self) -> dict[str, Any]:
        raw = spki(self.ct_key.public_key())
        return {
            "baseUrl": "https://ct.fake.test",
            "hashAlgorithm": "SHA2_256",
            "logId": {"keyId": b64(sha256(raw))},
            "publicKey": {
                "rawBytes": b64(raw),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": iso(NOW - 2 * YEAR)},
            },
        }

    def leaf(
        self,
        names: Sequence[x509.GeneralName],
        extensions: Mapping[str, bytes],
        *,
        starts: dt.datetime,
        minutes: int = 10,
        scts: int = 1,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        usages: Sequence[str] = ("digital_signature",),
        ca: bool | None = None,
        key: Any = None,
    ) -> Signer:
        """A certificate with these subject names and Fulcio extensions (by the last number of their OID)."""
        key = key or new_key()
        issuer = self.intermediate
        assert issuer.certificate is not None
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(starts + dt.timedelta(minutes=minutes))
            .add_extension(usage(*usages), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        for number, value in extensions.items():
            oid = x509.ObjectIdentifier(FULCIO + number)
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        certificate = builder.sign(issuer.key, hashes.SHA256())
        if not scts:
            return Signer(key, certificate)
        # Without its SCT list, the to-be-signed part is exactly the precertificate's; adding the list last keeps it so.
        listed = [self._sct(certificate.tbs_certificate_bytes, starts) for _ in range(scts)]
        body = b"".join(struct.pack("!H", len(each)) + each for each in listed)
        value = asn1.octets(struct.pack("!H", len(body)) + body)
        builder = builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, value), critical=False)
        return Signer(key, builder.sign(issuer.key, hashes.SHA256()))

    def _sct(self, tbs: bytes, when: dt.datetime) -> bytes:
        moment = int(when.timestamp() * 1000)
        issuer_hash = sha256(spki(self.intermediate.key.public_key()))
        covered = struct.pack("!BBQH", 0, 0, moment, 1) + issuer_hash + len(tbs).to_bytes(3) + tbs + b"\0\0"
        signature = self.ct_key.sign(covered, ec.ECDSA(hashes.SHA256()))
        log_id = sha256(spki(self.ct_key.public_key()))
        head = b"\0" + log_id + struct.pack("!QH", moment, 0)
        return head + b"\x04\x03" + struct.pack("!H", len(signature)) + signature


class Tsa:
    """A timestamp authority with its own root."""

    def __init__(self) -> None:
        self.root = ca_certificate("fake tsa root")
        assert self.root.certificate is not None
        self.key = new_key()
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(named("fake tsa"))
            .issuer_name(self.root.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * YEAR)
            .not_valid_after(NOW + 9 * YEAR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.key.public_key()), critical=False
            )
            .sign(self.root.key, hashes.SHA256())
        )

    @property
    def chain(self) -> list[x509.Certificate]:
        assert self.root.certificate is not None
        return [self.certificate, self.root.certificate]

    def stamp(self, message: bytes, when: dt.datetime) -> bytes:
        """A granted TimeStampResp over SHA-256 of the message (RFC 3161, CMS with ESSCertIDv2)."""
        digest = asn1.sequence(asn1.oid(asn1.SHA256_ID))
        info = asn1.sequence(
            asn1.integer(1),
            asn1.oid("1.3.6.1.4.1.57264.2"),
            asn1.sequence(digest, asn1.octets(sha256(message))),
            asn1.integer(int.from_bytes(os.urandom(8))),
            asn1.generalized_time(when.strftime("%Y%m%d%H%M%SZ")),
        )
        raw = der(self.certificate)
        signing_certificate = asn1.sequence(asn1.sequence(asn1.sequence(asn1.octets(sha256(raw)))))
        attributes = sorted(
            [
                asn1.sequence(asn1.oid("1.2.840.113549.1.9.3"), asn1.set_of(asn1.oid("1.2.840.113549.1.9.16.1.4"))),
                asn1.sequence(asn1.oid("1.2.840.113549.1.9.4"), asn1.set_of(asn1.octets(sha256(info)))),
                asn1.sequence(asn1.oid("1.2.840.113549.1.9.16.2.47"), asn1.set_of(signing_certificate)),
            ]
        )
        signature = self.key.sign(asn1.tlv(0x31, *attributes), ec.ECDSA(hashes.SHA256()))
        signer = asn1.sequence(
            asn1.integer(1),
            asn1.sequence(self.certificate.issuer.public_bytes(), asn1.integer(self.certificate.serial_number)),
            digest,
            asn1.explicit(0, *attributes),
            asn1.sequence(asn1.oid("1.2.840.10045.4.3.2")),
            asn1.octets(signature),
        )
        content = asn1.sequence(
            asn1.integer(3),
            asn1.set_of(digest),
            asn1.sequence(asn1.oid("1.2.840.113549.1.9.16.1.4"), asn1.explicit(0, asn1.octets(info))),
            asn1.explicit(0, raw),
            asn1.set_of(signer),
        )
        token = asn1.sequence(asn1.oid("1.2.840.113549.1.7.2"), asn1.explicit(0, content))
        return asn1.sequence(asn1.sequence(asn1.integer(0)), token)

"""Keys and certificates of an own sigstore: certificate authority, logs and timestamp authority, in files.

They are made anew for each stack and valid for ten years, so that golden files that were made with them stay good: what
is verified later is judged by the time of signing.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.simulators.sigstore_ca import usage
from tests.simulators.sigstore_keys import cert_pem, pem

PASSWORD = "test"
"""Of keys whose program insists on one: no secret, the keys live as long as the stack."""
_LIFE = dt.timedelta(days=3650)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pratique.test"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


class Certified:
    """A key with a certificate of `issuer`, or its own."""

    def __init__(
        self,
        text: str,
        issuer: Certified | None = None,
        *,
        purpose: x509.ObjectIdentifier | None = None,
        path_length: int | None = None,
        ca: bool = True,
    ) -> None:
        self.key: ec.EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
        self.certificate: x509.Certificate
        signing, signer = (issuer.key, issuer.certificate.subject) if issuer else (self.key, _name(text))
        now = dt.datetime.now(dt.UTC)  # noqa: TID251 - real programs check these against the real clock
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(text))
            .issuer_name(signer)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + _LIFE)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
            .add_extension(usage(*(("key_cert_sign", "crl_sign") if ca else ("digital_signature",))), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        if purpose is not None:
            # RFC 3161 wants the purpose of a timestamp authority marked as critical.
            critical = purpose == ExtendedKeyUsageOID.TIME_STAMPING
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=critical)
        self.certificate = builder.sign(signing, hashes.SHA256())


class Authorities:
    """All of them, and their files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fulcio_root = Certified("fulcio root")
        self.fulcio = Certified(
            "fulcio intermediate", self.fulcio_root, purpose=ExtendedKeyUsageOID.CODE_SIGNING, path_length=0
        )
        self.tsa_root = Certified("tsa root")
        self.tsa = Certified("tsa", self.tsa_root, purpose=ExtendedKeyUsageOID.TIME_STAMPING, ca=False)
        self.rekor_v1 = ec.generate_private_key(ec.SECP256R1())
        self.rekor_v2 = ed25519.Ed25519PrivateKey.generate()
        self.ct = ec.generate_private_key(ec.SECP256R1())
        self.oidc = rsa.generate_private_key(65537, 2048)

        self.fulcio_chain = self._chain("fulcio-chain.pem", self.fulcio, self.fulcio_root)
        self.fulcio_key = self._private("fulcio.key", self.fulcio.key, PASSWORD)
        self.tsa_chain = self._chain("tsa-chain.pem", self.tsa, self.tsa_root)
        self.tsa_key = self._private("tsa.key", self.tsa.key, PASSWORD)
        self.rekor_v1_key = self._private("rekor-v1.key", self.rekor_v1)
        self.rekor_v2_key = self._private("rekor-v2.key", self.rekor_v2)
        self.rekor_v1_public = self._public("rekor-v1.pub", self.rekor_v1)
        self.rekor_v2_public = self._public("rekor-v2.pub", self.rekor_v2)
        self.ct_public = self._public("ct.pub", self.ct)

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def _chain(self, name: str, *links: Certified) -> Path:
        return self._write(name, b"".join(cert_pem(each.certificate) for each in links))

    def _private(self, name: str, key: Any, password: str = "") -> Path:
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self._write(name, key.private_bytes(encoding, form, encryption))

    def _public(self, name: str, key: Any) -> Path:
        return self._write(name, pem(key.public_key()))

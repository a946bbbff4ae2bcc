"""Signing keys of every kind that cosign knows, and small encodings that all parts of the simulator share."""

import base64
import datetime as dt
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = dt.datetime(2026, 6, 1, 12, 0, 0, tzinfo=dt.UTC)
"""The simulated present: nothing here depends on the clock of the machine."""
YEAR = dt.timedelta(days=365)
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
NATURAL = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def iso(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def spki(public: Any) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(public: Any) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def cert_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@functools.cache
def _rsa(bits: int, number: int) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, bits)


def new_key(kind: str = "p256", number: int = 0) -> Any:
    """A private key; RSA ones, which take long to make, are made once for each number."""
    if kind.startswith("rsa"):
        return _rsa(int(kind[3:]), number)
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(CURVES[kind])


@dataclass(frozen=True)
class Signer:
    """A private key with, for keyless signing, its certificate."""

    key: Any
    certificate: x509.Certificate | None = None
    hash: hashes.HashAlgorithm | None = None
    """Another hash than SHA-256 (keys) for signatures."""
    pss: bool = False

    def sign(self, message: bytes) -> bytes:
        algorithm = self.hash or hashes.SHA256()
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        if isinstance(self.key, rsa.RSAPrivateKey):
            scheme: Any = padding.PSS(padding.MGF1(algorithm), 32) if self.pss else padding.PKCS1v15()
            return self.key.sign(message, scheme, algorithm)
        return self.key.sign(message, ec.ECDSA(algorithm))

    @property
    def public_pem(self) -> bytes:
        return pem(self.key.public_key())

    @property
    def verifier_pem(self) -> bytes:
        """What Rekor v1 stores: the certificate if there is one, else the key."""
        return cert_pem(self.certificate) if self.certificate else self.public_pem

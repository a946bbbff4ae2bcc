"""Keys and certificates of a TrustRoot document as a trusted_root.json, so that every root is read by one reader."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.config.trust_sources import CertificateChain, LogKey, SigstoreKeys
from app.errors import PratiqueError

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_ALWAYS: Final = {"start": "1970-01-01T00:00:00Z"}
_CURVES: Final = {
    "secp256r1": "PKIX_ECDSA_P256_SHA_256",
    "secp384r1": "PKIX_ECDSA_P384_SHA_384",
    "secp521r1": "PKIX_ECDSA_P521_SHA_512",
}
_RSA: Final = {
    2048: "PKIX_RSA_PKCS1V15_2048_SHA256",
    3072: "PKIX_RSA_PKCS1V15_3072_SHA256",
    4096: "PKIX_RSA_PKCS1V15_4096_SHA256",
}


class UnusableKey(PratiqueError):  # noqa: N818 - what it is
    """A log's key of a kind that no log has."""


def from_keys(keys: SigstoreKeys) -> bytes:
    """The trusted_root.json. Raises UnusableKey, ValueError for certificates that cannot be read."""
    tree = {
        "mediaType": MEDIA_TYPE,
        "tlogs": [entry for log in keys.tlogs for entry in _log(log, checkpoints=True)],
        "certificateAuthorities": [_authority(one) for one in keys.certificate_authorities],
        "ctlogs": [entry for log in keys.ctlogs for entry in _log(log, checkpoints=False)],
        "timestampAuthorities": [_authority(one) for one in keys.timestamp_authorities],
    }
    return json.dumps(tree, sort_keys=True).encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _authority(chain: CertificateChain) -> dict[str, Any]:
    loaded = x509.load_pem_x509_certificates(chain.pem)
    return {
        "subject": {"organization": chain.organization, "commonName": chain.common_name},
        "uri": chain.uri,
        "certChain": {
            "certificates": [{"rawBytes": _b64(one.public_bytes(serialization.Encoding.DER))} for one in loaded]
        },
        "validFor": _ALWAYS,
    }


def _log(log: LogKey, *, checkpoints: bool) -> list[dict[str, Any]]:
    """The log under its id; one with an Ed25519 key also under the id that Rekor v2 takes from its name."""
    key = serialization.load_pem_public_key(log.pem)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ids = [hashlib.sha256(der).digest()]
    if checkpoints and isinstance(key, ed25519.Ed25519PublicKey):
        origin = urlsplit(log.base_url).hostname or ""
        ids.append(hashlib.sha256(origin.encode() + b"\n\x01" + key.public_bytes_raw()).digest())
    public = {"rawBytes": _b64(der), "keyDetails": _details(key), "validFor": _ALWAYS}
    algorithm = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}[log.hash_algorithm]
    return [
        {"baseUrl": log.base_url, "hashAlgorithm": algorithm, "publicKey": public, "logId": {"keyId": _b64(one)}}
        for one in ids
    ]


def _details(key: object) -> str:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "PKIX_ED25519"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA:
        return _RSA[key.key_size]
    raise UnusableKey(f"a log of the trust root has a key of kind {type(key).__name__}, which is not supported")

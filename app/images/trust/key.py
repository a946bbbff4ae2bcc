"""Public keys: reading PEM, verifying a signature by whatever the key's kind allows, and naming a key."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from app.images.trust.errors import Code, fence, refuse, show

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_KEYS = 16
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# What sigstore's algorithm registry pairs with each curve; cosign 3 signs so, older ones always used SHA-256.
_BY_CURVE = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}
_BEGIN, _END = b"-----BEGIN ", b"-----END "


def accept(key: object) -> PublicKey:
    """The key, if its kind and size are ones we verify with."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _BY_CURVE:
            refuse(Code.KEY, f"curve {key.curve.name} is not supported; P-256, P-384 and P-521 are")
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            refuse(
                Code.KEY, f"an RSA key of {key.key_size} bits is not supported ({MIN_RSA_BITS} to {MAX_RSA_BITS} are)"
            )
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    return refuse(Code.KEY, f"keys of kind {type(key).__name__} are not supported; ECDSA, RSA and Ed25519 are")


@lru_cache(maxsize=256)
def from_pem(pem: bytes) -> tuple[PublicKey, ...]:
    """Every public key in the PEM text of a policy.

    Raises:
        TrustError: with code `key`: none, too many, or one that cannot be used (never silently fewer).
    """
    blocks = _blocks(pem)
    if not blocks:
        refuse(Code.KEY, "the policy's key is not a PEM public key")
    if len(blocks) > MAX_KEYS:
        refuse(Code.KEY, f"the policy has {len(blocks)} keys in one authority, more than {MAX_KEYS}")
    return tuple(one_from_pem(block) for block in blocks)


def _blocks(pem: bytes) -> list[bytes]:
    """The PEM blocks, each from its BEGIN line to the end of its END line."""
    found = []
    for part in pem.split(_BEGIN)[1:]:
        body, end, rest = part.partition(_END)
        found.append(_BEGIN + body + end + rest.partition(b"\n")[0] + b"\n")
    return found


def one_from_pem(pem: bytes) -> PublicKey:
    """The public key of one PEM block."""
    with fence(Code.KEY, "a PEM public key cannot be read"):
        return accept(serialization.load_pem_public_key(pem))


def from_der(der: bytes) -> PublicKey:
    """The public key of a DER SubjectPublicKeyInfo."""
    with fence(Code.KEY, "a DER public key cannot be read"):
        return accept(serialization.load_der_public_key(der))


def spki(key: PublicKey) -> bytes:
    """The key's DER SubjectPublicKeyInfo: what key identities are hashes of."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def name(key: PublicKey) -> str:
    """How a key is called in results: 'key ' and eight hex digits of its SPKI's SHA-256."""
    return "key " + hashlib.sha256(spki(key)).hexdigest()[:8]


def hint(key: PublicKey) -> str:
    """The hint that cosign writes into bundles: base64 of the SPKI's SHA-256. Never decides anything."""
    return base64.b64encode(hashlib.sha256(spki(key)).digest()).decode()


def verifies(key: PublicKey, signature: bytes, message: bytes, hash_algorithm: str = "sha256") -> bool:
    """Whether `signature` is the key's over `message`.

    ECDSA is tried with the policy's hash and the one that belongs to the curve, RSA as PKCS#1 v1.5 and as PSS: each of
    them is a signature by this key over this message, so trying more of them makes nothing forgeable.
    """
    chosen = _HASHES.get(hash_algorithm)
    if chosen is None:
        refuse(Code.POLICY, f"hash algorithm {show(hash_algorithm)} is not supported; {', '.join(sorted(_HASHES))} are")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _ed25519(key, signature, message)
    if isinstance(key, ec.EllipticCurvePublicKey):
        names = dict.fromkeys((hash_algorithm, _BY_CURVE[key.curve.name]))
        return any(_ecdsa(key, signature, message, _HASHES[each]) for each in names)
    return _rsa(key, signature, message, chosen)


def which(keys: Sequence[PublicKey], signature: bytes, message: bytes, hash_algorithm: str = "sha256") -> PublicKey:
    """The first of the keys that made the signature."""
    for key in keys:
        if verifies(key, signature, message, hash_algorithm):
            return key
    shown = ", ".join(name(key) for key in keys)
    return refuse(
        Code.SIGNATURE, f"the signature was not made by the policy's {shown}, or the signed content was changed"
    )


def _ecdsa(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    try:
        key.verify(signature, message, ec.ECDSA(algorithm))
    except (InvalidSignature, ValueError):
        return False
    return True


def _rsa(key: rsa.RSAPublicKey, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    schemes = (padding.PKCS1v15(), padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO))
    for scheme in schemes:
        try:
            key.verify(signature, message, scheme, algorithm)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _ed25519(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True

"""PEM texts in policy documents: public keys and certificates, checked when the document is loaded.

What is accepted here is what verification accepts (`app.images.trust.key`); a key that could not verify anything must
not be found out by the first pod. No message repeats key material.
"""

from __future__ import annotations

from typing import Final

MAX_KEYS: Final = 16
MAX_CERTIFICATES: Final = 64
_BEGIN: Final = "-----BEGIN "
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_RSA_BITS: Final = (2048, 8192)


def public_keys(text: str) -> int:
    """Count the public keys of a PEM text. Raises ValueError: none, too many, or one that cannot be used."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - 10 MiB that most servers do without
        load_pem_public_key,
    )

    blocks = _blocks(text, "PUBLIC KEY", MAX_KEYS)
    for number, block in enumerate(blocks, 1):
        which = "the PEM public key" if len(blocks) == 1 else f"PEM public key {number}"
        try:
            key = load_pem_public_key(block.encode())
        except Exception as error:
            raise ValueError(f"{which} cannot be read") from error
        _usable(key, which)
    return len(blocks)


def certificates(text: str) -> int:
    """Count the certificates of a PEM text. Raises ValueError: none, too many, or one that cannot be read."""
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - see above

    blocks = _blocks(text, "CERTIFICATE", MAX_CERTIFICATES)
    for number, block in enumerate(blocks, 1):
        try:
            load_pem_x509_certificate(block.encode())
        except Exception as error:
            raise ValueError(f"PEM certificate {number} cannot be read") from error
    return len(blocks)


def _blocks(text: str, kind: str, most: int) -> list[str]:
    """The blocks of a PEM text, all of one kind (a public key's may have its algorithm before it)."""
    parts = text.split(_BEGIN)
    if len(parts) == 1:
        raise ValueError(f"is not PEM; it starts with `{_BEGIN}{kind}-----`")
    if parts[0].strip():
        raise ValueError("has text before its first PEM block")
    if len(parts) - 1 > most:
        raise ValueError(f"has more than {most} PEM blocks")
    blocks = []
    for part in parts[1:]:
        label = part.partition("-----")[0]
        if "PRIVATE" in label:
            raise ValueError("is a private key; a policy needs the public one, and the private one must not be here")
        if label != kind and not label.endswith(f" {kind}"):
            raise ValueError(f"has a PEM block of kind `{label[:40]}` where `{kind}` is expected")
        body, end, rest = part.partition(f"-----END {label}-----")
        if not end:
            raise ValueError(f"has a PEM block without its `-----END {label[:40]}-----`")
        if rest.strip():
            raise ValueError("has text behind a PEM block")
        blocks.append(f"{_BEGIN}{body}{end}\n")
    return blocks


def _usable(key: object, which: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - see above

    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise ValueError(f"{which} is on curve {key.curve.name}; P-256, P-384 and P-521 are supported")
    elif isinstance(key, rsa.RSAPublicKey):
        low, high = _RSA_BITS
        if not low <= key.key_size <= high:
            raise ValueError(f"{which} is an RSA key of {key.key_size} bits; {low} to {high} are supported")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        kind = type(key).__name__
        raise ValueError(f"{which} is a {kind}; ECDSA, RSA and Ed25519 are supported")  # noqa: TRY004 - for pydantic

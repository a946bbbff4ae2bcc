"""Public keys of policies."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519

from app.core.images.policy import Key
from app.images.trust import Code, key
from tests.simulators.sigstore_keys import Signer, new_key, pem
from tests.unit.images.trust.world import GOOD, KEY, OTHER_KEY, refused, signature

SMALL = rsa.generate_private_key(65537, 1024)
PRIVATE = KEY.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)

BAD_PEMS = {
    "nothing": b"",
    "text": b"cosign.pub",
    "half a block": KEY.public_pem[:60],
    "a broken block": KEY.public_pem.replace(b"M", b"N", 1),
    "one good and one broken": KEY.public_pem + KEY.public_pem[:60],
    "a private key": PRIVATE,
    "a certificate": GOOD.fulcio.root.verifier_pem,
    "a small RSA key": pem(SMALL.public_key()),
    "a DSA key": pem(dsa.generate_private_key(1024).public_key()),
    "an X25519 key": pem(x25519.X25519PrivateKey.generate().public_key()),
    "a P-224 key": pem(ec.generate_private_key(ec.SECP224R1()).public_key()),
    "a secp256k1 key": pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
    "too many": KEY.public_pem * 17,
}


@pytest.mark.parametrize("name", BAD_PEMS)
def test_keys_that_a_policy_cannot_have(name: str) -> None:
    refused(lambda: key.from_pem(BAD_PEMS[name]), Code.KEY)
    layer = GOOD.signature(signer=KEY)
    refused(lambda: signature(layer, by=Key(BAD_PEMS[name])), Code.KEY)


def test_several_blocks_with_text_between() -> None:
    text = b"# ours\n" + KEY.public_pem.replace(b"\n", b"\r\n") + b"\n\n# theirs\n" + OTHER_KEY.public_pem.rstrip()
    assert [key.name(each) for each in key.from_pem(text)] == [
        key.name(KEY.key.public_key()),
        key.name(OTHER_KEY.key.public_key()),
    ]


def test_a_pkcs1_rsa_key() -> None:
    signer = Signer(new_key("rsa2048"))
    raw = signer.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    assert signature(GOOD.signature(signer=signer), by=Key(raw)).identity.startswith("key ")


def test_a_hash_that_is_not_the_policys() -> None:
    rsa_signer = Signer(new_key("rsa2048"))
    layer = GOOD.signature(signer=rsa_signer)
    refused(lambda: signature(layer, by=Key(rsa_signer.public_pem, "sha512")), Code.SIGNATURE)


@pytest.mark.parametrize("name", ["md5", "sha1", "", "SHA256"])
def test_hashes_that_a_policy_cannot_ask_for(name: str) -> None:
    refused(lambda: signature(GOOD.signature(signer=KEY), by=Key(KEY.public_pem, name)), Code.POLICY)


def test_the_refusal_names_the_policys_keys() -> None:
    layer = GOOD.signature(signer=OTHER_KEY)
    refused(lambda: signature(layer, by=Key(KEY.public_pem)), Code.SIGNATURE, key.name(KEY.key.public_key()))


@pytest.mark.parametrize("kind", ["p256", "rsa2048", "ed25519"])
@pytest.mark.parametrize("raw", [b"", b"\0", b"\x30\x00", b"\xff" * 300])
def test_bytes_that_are_no_signature(kind: str, raw: bytes) -> None:
    assert not key.verifies(new_key(kind).public_key(), raw, b"message")


def test_der_keys() -> None:
    public = KEY.key.public_key()
    assert key.from_der(key.spki(public)) == public
    refused(lambda: key.from_der(b"\x30\x00"), Code.KEY)
    assert key.hint(public) == GOOD.bundle(signer=KEY)["verificationMaterial"]["publicKey"]["hint"]

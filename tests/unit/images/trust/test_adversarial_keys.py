"""Bundles that a policy with a public key must refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.images.policy import Key
from app.images.trust import Code
from tests.simulators.sigstore import OTHER_DIGEST, SPDX, statement
from tests.simulators.sigstore_keys import Signer, new_key
from tests.unit.images.trust.tampering import (
    ENTRY,
    MATERIAL,
    flip,
)
from tests.unit.images.trust.world import (
    BY_KEY,
    EVIL,
    GOOD,
    KEY,
    OTHER_KEY,
    bundle,
    put,
    refused,
)

KEY_CASES: dict[str, tuple[Callable[[], dict[str, Any]], Code]] = {
    "another key": (lambda: GOOD.bundle(signer=OTHER_KEY), Code.SIGNATURE),
    "a certificate": (GOOD.bundle, Code.KEY),
    "another image": (lambda: GOOD.bundle(statement(OTHER_DIGEST), KEY), Code.DIGEST),
    "payload changed": (lambda: put(GOOD.bundle(signer=KEY), flip, "dsseEnvelope", "payload"), Code.SIGNATURE),
    "no log entry": (lambda: GOOD.bundle(signer=KEY, log=None), Code.LOG),
    "proof changed": (
        lambda: put(GOOD.bundle(signer=KEY), flip, *ENTRY, "inclusionProof", "hashes", 0),
        Code.LOG,
    ),
    "entry of another signature": (
        lambda: put(
            GOOD.bundle(signer=KEY),
            GOOD.bundle(statement(predicate_type=SPDX), KEY)[MATERIAL]["tlogEntries"],
            MATERIAL,
            "tlogEntries",
        ),
        Code.LOG,
    ),
    "untrusted log": (lambda: GOOD.with_parts(rekor=EVIL.rekor).bundle(signer=KEY), Code.UNTRUSTED_ROOT),
    "attestation": (lambda: GOOD.bundle(statement(predicate_type=SPDX), KEY), Code.PREDICATE_TYPE),
    "hint of the right key, made by another": (
        lambda: put(
            GOOD.bundle(signer=OTHER_KEY),
            GOOD.bundle(signer=KEY)[MATERIAL]["publicKey"],
            MATERIAL,
            "publicKey",
        ),
        Code.SIGNATURE,
    ),
}


@pytest.mark.parametrize("name", KEY_CASES)
def test_refused_by_key(name: str) -> None:
    make, code = KEY_CASES[name]
    tree = make()
    refused(lambda: bundle(tree, by=BY_KEY), code)


def test_log_entry_about_another_key() -> None:
    """Both keys signed the same content: the log entry of one must not serve for the other."""
    rsa = Signer(new_key("rsa2048"))
    honest = GOOD.bundle(signer=rsa)
    twin = Signer(new_key("rsa2048", 1))
    tree = put(honest, GOOD.bundle(signer=twin)[MATERIAL]["tlogEntries"], MATERIAL, "tlogEntries")
    refused(lambda: bundle(tree, by=Key(rsa.public_pem)), Code.LOG)

"""What the trust core's tests share: one honest instance, one evil one, and short ways to ask."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from app.core.images.policy import Identity, Key, Keyless
from app.images.trust import (
    Code,
    TrustError,
    TrustRoot,
    Verified,
    verify_bundle,
    verify_dsse_layer,
    verify_simple_signing,
)
from tests.simulators.sigstore import DIGEST, SPDX, Sigstore
from tests.simulators.sigstore_keys import NOW, Signer, new_key

ISSUER, SUBJECT = "https://issuer.test", "dev@example.com"
KEYLESS = Keyless((Identity(issuer=ISSUER, subject=SUBJECT),))

GOOD = Sigstore()
EVIL = Sigstore()
KEY = Signer(new_key())
OTHER_KEY = Signer(new_key())
BY_KEY = Key(KEY.public_pem)


@functools.cache
def trusted() -> TrustRoot:
    return read_root(GOOD.trusted_root())


def read_root(tree: Mapping[str, Any]) -> TrustRoot:
    return TrustRoot.from_json(json.dumps(tree).encode())


def identities(*pairs: tuple[str, str]) -> Keyless:
    """(issuer, subject) pairs as a policy."""
    return Keyless(tuple(Identity(issuer=issuer, subject=subject) for issuer, subject in pairs))


def _terms(given: dict[str, Any]) -> dict[str, Any]:
    usual = {"root": trusted(), "by": KEYLESS, "digest": DIGEST, "log": "required", "timestamps": "none", "now": NOW}
    return {**usual, **given}


def bundle(tree: Mapping[str, Any] | bytes, **terms: Any) -> Verified:
    raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return verify_bundle(raw, **_terms({"predicate_type": None, **terms}))


def signature(layer: tuple[bytes, Mapping[str, str]], **terms: Any) -> Verified:
    return verify_simple_signing(*layer, **_terms(terms))


def attestation(layer: tuple[bytes, Mapping[str, str]], **terms: Any) -> Verified:
    return verify_dsse_layer(*layer, **_terms({"predicate_type": SPDX, **terms}))


def refused(call: Callable[[], object], code: Code | str, *words: str) -> TrustError:
    """The refusal, which must have this code and say these words on one line."""
    with pytest.raises(TrustError) as caught:
        call()
    error = caught.value
    assert error.code == code, f"{error.code}: {error}"
    assert "\n" not in error.summary
    for word in words:
        assert word in error.summary
    return error


def without(tree: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A deep copy with the item at the path taken out."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return copy


def put(tree: dict[str, Any], value: Any, *path: str | int) -> dict[str, Any]:
    """A deep copy with the item at the path replaced (a function is given the old one)."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = (
        value(node.get(path[-1]) if isinstance(node, dict) else node[path[-1]]) if callable(value) else value
    )
    return copy

"""Log entries that a trusted log really holds, in which one part is about something else; and unknown fields."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.core.images.policy import Keyless
from app.images.trust import Code, TrustError, verify_artifact_bundle
from tests.simulators.sigstore_keys import NOW, b64, sha256, spki
from tests.unit.images.trust.tampering import flip, logging_otherwise, with_forged_sct
from tests.unit.images.trust.world import (
    BY_KEY,
    GOOD,
    KEY,
    KEYLESS,
    OTHER_KEY,
    attestation,
    bundle,
    put,
    refused,
    signature,
    trusted,
)

Edit = Callable[[dict[str, Any]], None]
OTHER_HASH = sha256(b"other content").hex()
OTHER_SIGNER = b64(GOOD.keyless().verifier_pem)


def at(*path: str | int, value: Any) -> Edit:
    """Set the item at the path; a function is given the old value."""

    def edit(spec: dict[str, Any]) -> None:
        node: Any = spec
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value(node[path[-1]]) if callable(value) else value

    return edit


V2 = ("hashedRekordV002",)
INTOTO = ("content", "envelope", "signatures", 0)
EDITS: dict[str, list[Edit]] = {
    "hashedrekord": [
        at("data", "hash", "value", value=OTHER_HASH),
        at("data", "hash", "algorithm", value="sha512"),
        at("data", "hash", "algorithm", value="md5"),
        at("signature", "content", value=flip),
        at("signature", "publicKey", "content", value=OTHER_SIGNER),
        at("signature", "publicKey", "content", value=b64(KEY.public_pem)),
        at("signature", value=None),
    ],
    "dsse": [
        at("payloadHash", "value", value=OTHER_HASH),
        at("payloadHash", value={}),
        at("signatures", 0, "signature", value=flip),
        at("signatures", 0, "verifier", value=OTHER_SIGNER),
        at("signatures", 0, "verifier", value=b64(KEY.public_pem)),
        at("signatures", value=[]),
    ],
    "intoto": [
        at("content", "payloadHash", "value", value=OTHER_HASH),
        at(*INTOTO, "sig", value=b64(b64(b"other").encode())),
        at(*INTOTO, "publicKey", value=OTHER_SIGNER),
        at("content", "envelope", "signatures", value=[]),
    ],
    "v2": [
        at(*V2, "data", "digest", value=b64(sha256(b"other content"))),
        at(*V2, "data", "algorithm", value="SHA2_512"),
        at(*V2, "signature", "content", value=flip),
        at(*V2, "signature", "verifier", "x509Certificate", "rawBytes", value=flip),
        at(*V2, "signature", "verifier", value={"keyDetails": "PKIX_ED25519"}),
    ],
}
CASES = [pytest.param(kind, edit, id=f"{kind}-{n}") for kind, edits in EDITS.items() for n, edit in enumerate(edits)]


@pytest.mark.parametrize("kind, edit", CASES)
def test_one_part_of_an_entry_is_about_something_else(kind: str, edit: Edit) -> None:
    liar = logging_otherwise(edit)
    if kind == "v2":
        tree = liar.bundle(log="v2")
        refused_for(lambda: bundle(tree))
        return
    tree = liar.bundle(kind=kind, version="v0.2")
    refused_for(lambda: bundle(tree))
    layer = liar.attestation(kind=kind)
    refused_for(lambda: attestation(layer))
    if kind == "hashedrekord":
        older = liar.signature()
        refused_for(lambda: signature(older))


def refused_for(call: Callable[[], object]) -> None:
    """The log entry is what is refused, as a lie or as unreadable; nothing after it was looked at."""
    with pytest.raises(TrustError) as caught:
        call()
    assert caught.value.code in {Code.LOG, Code.FORMAT}
    assert "log entry" in caught.value.summary


@pytest.mark.parametrize("log", ["v1", "v2"])
def test_an_entry_by_another_key_about_the_same_signature(log: str) -> None:
    other = b64(OTHER_KEY.public_pem)
    if log == "v1":
        edit = at("signatures", 0, "verifier", value=other)
    else:
        edit = at(*V2, "signature", "verifier", "publicKey", "rawBytes", value=b64(spki(OTHER_KEY.key.public_key())))
    tree = logging_otherwise(edit).bundle(signer=KEY, log=log)
    refused(lambda: bundle(tree, by=BY_KEY), Code.LOG, "another signer")


@pytest.mark.parametrize("log", ["v1", "v2"])
def test_an_sct_that_only_names_our_log(log: str) -> None:
    """Our CT log's id in a timestamp that it did not sign."""
    liar = with_forged_sct()
    tree, layer = liar.bundle(log=log), liar.signature()
    refused(lambda: bundle(tree), Code.SCT, "not valid")
    refused(lambda: signature(layer), Code.SCT, "not valid")
    lenient = Keyless(KEYLESS.identities, ignore_sct=True)
    assert bundle(tree, by=lenient).identity == "dev@example.com"


MATERIAL = "verificationMaterial"
UNKNOWN = {
    "bundle": ("extra",),
    "material": (MATERIAL, "extra"),
    "snake case": (MATERIAL, "tlog_entries"),
    "envelope": ("dsseEnvelope", "payload_type"),
    "envelope's signature": ("dsseEnvelope", "signatures", 0, "cert"),
    "entry": (MATERIAL, "tlogEntries", 0, "inclusion_proof"),
    "proof": (MATERIAL, "tlogEntries", 0, "inclusionProof", "root_hash"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_fields(name: str) -> None:
    for made, terms in ((GOOD.bundle(), {}), (GOOD.bundle(signer=KEY), {"by": BY_KEY}), (GOOD.bundle(log="v2"), {})):
        tree = put(made, "x", *UNKNOWN[name])
        refused(lambda tree=tree, terms=terms: bundle(tree, **terms), Code.FORMAT, "unknown field")


def test_unknown_fields_of_a_files_signature() -> None:
    def ask(tree: dict[str, Any]) -> object:
        raw = json.dumps(tree).encode()
        terms = {"root": trusted(), "by": KEYLESS, "log": "required", "timestamps": "none", "now": NOW}
        return verify_artifact_bundle(raw, b"a file", **terms)

    tree = GOOD.bundle(b"a file", blob=True)
    assert ask(tree)
    refused(lambda: ask(put(tree, 1, "messageSignature", "extra")), Code.FORMAT, "unknown field")
    refused(lambda: ask(GOOD.bundle(b"b file", blob=True)), Code.DIGEST)

"""What we use of sigstore-python's insides is still there and still does what we rely on."""

import base64
import importlib
import inspect
import logging

import pytest

from app.images.trust import Code, library
from tests.simulators.sigstore_keys import b64
from tests.unit.images.trust.world import EVIL, GOOD, put, refused, trusted

PRIVATE = {
    "sigstore._internal.merkle:verify_merkle_inclusion": ["entry"],
    "sigstore._internal.rekor.checkpoint:verify_checkpoint": ["rekor_keyring", "entry"],
    "sigstore._internal.rekor.checkpoint:SignedCheckpoint.from_text": ["text"],
    "sigstore._internal.sct:verify_sct": ["cert", "chain", "ct_keyring"],
    "sigstore._internal.trust:Keyring.verify": ["self", "key_id", "signature", "data"],
    "sigstore._internal.trust:Key": ["public_key"],
    "sigstore.models:TransparencyLogEntry": ["inner"],
    "sigstore.models:Bundle.from_json": ["raw"],
    "sigstore.verify:Verifier": ["trusted_root"],
    "sigstore.verify:Verifier.verify_dsse": ["self", "bundle", "policy"],
    "sigstore.verify:Verifier.verify_artifact": ["self", "input_", "bundle", "policy"],
}


@pytest.mark.parametrize("name", PRIVATE)
def test_it_is_where_it_was(name: str) -> None:
    module, _, path = name.partition(":")
    thing = importlib.import_module(module)
    for step in path.split("."):
        thing = getattr(thing, step)
    assert list(inspect.signature(thing).parameters) == PRIVATE[name]


def key_of(log: str) -> library.LogKey:
    log_id = GOOD.rekor.log_id if log == "v1" else GOOD.rekor2.log_id
    return trusted().logs[log_id][0].key


@pytest.mark.parametrize("log", ["v1", "v2"])
def test_inclusion(log: str) -> None:
    entry = GOOD.bundle(log=log)["verificationMaterial"]["tlogEntries"][0]
    key_of(log).verify_inclusion(entry)
    for field in ("rootHash", "treeSize", "logIndex"):
        changed = put(entry, b64(b"\0" * 32) if field == "rootHash" else "5", "inclusionProof", field)
        refused(lambda changed=changed: key_of(log).verify_inclusion(changed), Code.LOG)
    stranger = put(entry, b64(b"other"), "canonicalizedBody")
    refused(lambda: key_of(log).verify_inclusion(stranger), Code.LOG, "root hash")


def test_a_checkpoint_of_another_size_is_refused() -> None:
    """The library compares root hashes only; a checkpoint says a size as well."""
    entry = GOOD.bundle()["verificationMaterial"]["tlogEntries"][0]
    proof = entry["inclusionProof"]
    envelope = GOOD.rekor.checkpoint(int(proof["treeSize"]) + 1, base64.b64decode(proof["rootHash"]))
    changed = put(entry, envelope, "inclusionProof", "checkpoint", "envelope")
    refused(lambda: key_of("v1").verify_inclusion(changed), Code.LOG, "tree size")


def test_a_ring_of_one_key_is_not_widened() -> None:
    log = library.LogKey(GOOD.rekor.spki, "PKIX_ECDSA_P256_SHA_256")
    log.verify(GOOD.rekor.sign(b"x"), b"x", "it")
    refused(lambda: log.verify(EVIL.rekor.sign(b"x"), b"x", "it"), Code.LOG, "it: ")
    refused(lambda: log.verify(b"", b"x", "it"), Code.LOG)


def test_the_second_opinion_can_say_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that our own judgement would let pass is still refused if sigstore's verifier does not agree."""
    from app.images.trust import evidence, identity  # noqa: PLC0415 - patched below
    from tests.unit.images.trust.world import bundle  # noqa: PLC0415

    tree = EVIL.bundle()
    assert evidence.identity is identity
    monkeypatch.setattr(evidence.certificates, "chain_at", lambda *_: [EVIL.fulcio.intermediate.certificate])
    monkeypatch.setattr(evidence.certificates, "check_sct", lambda *_: None)
    forged = GOOD.with_parts(fulcio=EVIL.fulcio).bundle()
    refused(lambda: bundle(forged), Code.SIGNATURE, "sigstore's verifier refuses")
    refused(lambda: bundle(tree), Code.UNTRUSTED_ROOT)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    from tests.unit.images.trust.world import bundle  # noqa: PLC0415

    with caplog.at_level(logging.INFO):
        bundle(GOOD.bundle(stamp=True))
        refused(lambda: bundle(EVIL.bundle()), Code.UNTRUSTED_ROOT)
    assert caplog.records == []

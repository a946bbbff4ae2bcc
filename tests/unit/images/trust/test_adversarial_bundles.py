"""Bundles that must not count, each with the reason that it must be refused for. Most run on Rekor v1 and v2."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.core.images.policy import Keyless
from app.images.trust import Code
from tests.simulators.sigstore import DIGEST, OTHER_DIGEST, SPDX, simple_signing, statement
from tests.simulators.sigstore_keys import NOW, b64
from tests.unit.images.trust.tampering import (
    ENTRY,
    MATERIAL,
    OLD,
    STAMPS,
    change_body,
    flip,
    foreign_checkpoint,
    foreign_stamp,
    in_the_future,
    mixed,
    mixed_stamp,
    other_certificate,
    other_log_id,
    swapped,
    with_foreign_ct,
    with_root,
)
from tests.unit.images.trust.world import (
    EVIL,
    GOOD,
    KEY,
    KEYLESS,
    bundle,
    identities,
    put,
    refused,
    without,
)

Make = Callable[[str], dict[str, Any]]

BOTH: dict[str, tuple[Make, Code]] = {
    "wrong identity": (lambda log: GOOD.bundle(signer=GOOD.keyless("evil@example.com"), log=log), Code.IDENTITY),
    "wrong issuer": (lambda log: GOOD.bundle(signer=GOOD.keyless(issuer="https://evil.test"), log=log), Code.ISSUER),
    "statement about another image": (lambda log: GOOD.bundle(statement(OTHER_DIGEST), log=log), Code.DIGEST),
    "payload exchanged": (
        lambda log: put(GOOD.bundle(statement(OTHER_DIGEST), log=log), b64(statement()), "dsseEnvelope", "payload"),
        Code.SIGNATURE,
    ),
    "payload changed": (lambda log: put(GOOD.bundle(log=log), flip, "dsseEnvelope", "payload"), Code.SIGNATURE),
    "signature changed": (
        lambda log: put(GOOD.bundle(log=log), flip, "dsseEnvelope", "signatures", 0, "sig"),
        Code.SIGNATURE,
    ),
    "another instance": (lambda log: EVIL.bundle(log=log), Code.UNTRUSTED_ROOT),
    "untrusted CA, trusted logs": (lambda log: mixed(log, fulcio=EVIL.fulcio), Code.UNTRUSTED_ROOT),
    "untrusted log": (lambda log: mixed(log, rekor=EVIL.rekor, rekor2=EVIL.rekor2), Code.UNTRUSTED_ROOT),
    "no SCT": (lambda log: GOOD.bundle(signer=GOOD.keyless(scts=0), log=log), Code.SCT),
    "two SCTs": (lambda log: GOOD.bundle(signer=GOOD.keyless(scts=2), log=log), Code.SCT),
    "SCT of an unknown CT log": (with_foreign_ct, Code.SCT),
    "certificate expired before signing": (
        lambda log: GOOD.bundle(signer=GOOD.keyless(starts=OLD), log=log),
        Code.EXPIRED,
    ),
    "certificate not yet valid": (
        lambda log: GOOD.bundle(signer=GOOD.keyless(starts=NOW), log=log, when=NOW - dt.timedelta(seconds=1)),
        Code.EXPIRED,
    ),
    "signed in the future": (in_the_future, Code.TIMESTAMP),
    "log entry taken away": (
        lambda log: put(GOOD.bundle(log=log, stamp=True), [], MATERIAL, "tlogEntries"),
        Code.LOG,
    ),
    "no log entry at all": (lambda log: without(GOOD.bundle(log=log, stamp=True), MATERIAL, "tlogEntries"), Code.LOG),
    "log entry of another signature": (lambda log: swapped(log, MATERIAL, "tlogEntries"), Code.LOG),
    "inclusion proof of another entry": (lambda log: swapped(log, *ENTRY, "inclusionProof"), Code.LOG),
    "log body changed": (lambda log: put(GOOD.bundle(log=log), change_body, *ENTRY, "canonicalizedBody"), Code.LOG),
    "root hash changed": (lambda log: put(GOOD.bundle(log=log), flip, *ENTRY, "inclusionProof", "rootHash"), Code.LOG),
    "a hash of the proof changed": (
        lambda log: put(GOOD.bundle(log=log), flip, *ENTRY, "inclusionProof", "hashes", 0),
        Code.LOG,
    ),
    "proof too short": (lambda log: without(GOOD.bundle(log=log), *ENTRY, "inclusionProof", "hashes", 0), Code.LOG),
    "no checkpoint": (lambda log: without(GOOD.bundle(log=log), *ENTRY, "inclusionProof", "checkpoint"), Code.LOG),
    "checkpoint by another log": (foreign_checkpoint, Code.LOG),
    "no inclusion proof": (lambda log: without(GOOD.bundle(log=log), *ENTRY, "inclusionProof"), Code.LOG),
    "log id of an unknown log": (
        lambda log: put(GOOD.bundle(log=log), b64(b"\0" * 32), *ENTRY, "logId", "keyId"),
        Code.UNTRUSTED_ROOT,
    ),
    "log id of the other log": (other_log_id, Code.LOG),
    "kind of entry contradicts its body": (
        lambda log: put(GOOD.bundle(log=log), "intoto", *ENTRY, "kindVersion", "kind"),
        Code.LOG,
    ),
    "certificate exchanged for one of the good identity": (other_certificate, Code.SIGNATURE),
    "payload type is no statement": (lambda log: GOOD.bundle(payload_type="text/plain", log=log), Code.PAYLOAD_TYPE),
    "payload type exchanged": (
        lambda log: put(GOOD.bundle(log=log), "application/json", "dsseEnvelope", "payloadType"),
        Code.PAYLOAD_TYPE,
    ),
    "signature of a file": (lambda log: GOOD.bundle(simple_signing(), blob=True, log=log), Code.FORMAT),
    "statement that is none": (lambda log: GOOD.bundle(statement(_type="https://evil.test/v1"), log=log), Code.FORMAT),
    "payload that is no JSON": (lambda log: GOOD.bundle(b"hello", log=log), Code.FORMAT),
    "attestation instead of a signature": (
        lambda log: GOOD.bundle(statement(predicate_type=SPDX), log=log),
        Code.PREDICATE_TYPE,
    ),
    "predicate type with a tail": (
        lambda log: GOOD.bundle(statement(predicate_type="https://sigstore.dev/cosign/sign/v1/"), log=log),
        Code.PREDICATE_TYPE,
    ),
    "no subject": (lambda log: GOOD.bundle(statement(subject=[]), log=log), Code.DIGEST),
    "subject with another algorithm": (
        lambda log: GOOD.bundle(statement(subject=[{"digest": {"sha512": DIGEST[7:]}}]), log=log),
        Code.DIGEST,
    ),
    "subject in upper case": (
        lambda log: GOOD.bundle(statement(subject=[{"digest": {"sha256": DIGEST[7:].upper()}}]), log=log),
        Code.DIGEST,
    ),
    "two signatures": (
        lambda log: put(GOOD.bundle(log=log), lambda old: old * 2, "dsseEnvelope", "signatures"),
        Code.SIGNATURE,
    ),
    "no signature": (lambda log: put(GOOD.bundle(log=log), [], "dsseEnvelope", "signatures"), Code.SIGNATURE),
    "empty signature": (
        lambda log: put(GOOD.bundle(log=log), "", "dsseEnvelope", "signatures", 0, "sig"),
        Code.FORMAT,
    ),
    "a CA signs": (lambda log: GOOD.bundle(signer=GOOD.fulcio.intermediate, log=log), Code.CERTIFICATE),
    "leaf that says it is a CA": (lambda log: GOOD.bundle(signer=GOOD.keyless(ca=True), log=log), Code.CERTIFICATE),
    "purpose is server authentication": (
        lambda log: GOOD.bundle(signer=GOOD.keyless(purpose=ExtendedKeyUsageOID.SERVER_AUTH), log=log),
        Code.CERTIFICATE,
    ),
    "key is not for signatures": (
        lambda log: GOOD.bundle(signer=GOOD.keyless(usages=("key_encipherment",)), log=log),
        Code.CERTIFICATE,
    ),
    "signed by a bare key": (lambda log: GOOD.bundle(signer=KEY, log=log), Code.CERTIFICATE),
    "stamp over something else": (
        lambda log: put(GOOD.bundle(log=log), foreign_stamp, MATERIAL, STAMPS[1]),
        Code.TIMESTAMP,
    ),
    "stamp by an unknown authority": (
        mixed_stamp,
        Code.TIMESTAMP,
    ),
    "the same stamp twice": (
        lambda log: put(GOOD.bundle(log=log, stamp=True), lambda old: old * 2, *STAMPS),
        Code.TIMESTAMP,
    ),
    "stamp changed": (
        lambda log: put(GOOD.bundle(log=log, stamp=True), flip, *STAMPS, 0, "signedTimestamp"),
        Code.TIMESTAMP,
    ),
    "bundle of a future version": (
        lambda log: put(GOOD.bundle(log=log), "application/vnd.dev.sigstore.bundle.v0.4+json", "mediaType"),
        Code.FORMAT,
    ),
    "unknown field": (lambda log: {**GOOD.bundle(log=log), "extra": 1}, Code.FORMAT),
    "two contents": (lambda log: {**GOOD.bundle(log=log), "messageSignature": {"signature": "AA=="}}, Code.FORMAT),
    "two signers": (
        lambda log: put(GOOD.bundle(log=log), {"hint": "x"}, MATERIAL, "publicKey"),
        Code.FORMAT,
    ),
    "no material": (lambda log: without(GOOD.bundle(log=log), MATERIAL), Code.FORMAT),
    "chain in a bundle v0.3": (
        lambda log: {
            **GOOD.bundle(log=log, version="v0.2"),
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        },
        Code.FORMAT,
    ),
    "root certificate brought along": (with_root, Code.CERTIFICATE),
    "empty chain": (
        lambda log: put(GOOD.bundle(log=log, version="v0.2"), [], MATERIAL, "x509CertificateChain", "certificates"),
        Code.CERTIFICATE,
    ),
    "certificate that is none": (
        lambda log: put(GOOD.bundle(log=log), b64(b"certificate"), MATERIAL, "certificate", "rawBytes"),
        Code.CERTIFICATE,
    ),
}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("log", ["v1", "v2"])
def test_refused(name: str, log: str) -> None:
    make, code = BOTH[name]
    tree = make(log)
    refused(lambda: bundle(tree), code)


def test_no_mix_of_one_identitys_subject_with_anothers_issuer() -> None:
    by = identities(("https://issuer.test", "ops@example.com"), ("https://other.test", "dev@example.com"))
    refused(lambda: bundle(GOOD.bundle(), by=by), Code.ISSUER, "dev@example.com", "https://issuer.test")


def test_no_identities_accept_nothing() -> None:
    refused(lambda: bundle(GOOD.bundle(), by=Keyless(())), Code.IDENTITY)


def test_a_keyless_policy_without_a_trust_root() -> None:
    refused(lambda: bundle(GOOD.bundle(), root=None), Code.UNTRUSTED_ROOT)
    refused(lambda: bundle(GOOD.bundle(log=None), root=None, log="ignored"), Code.TIMESTAMP)


@pytest.mark.parametrize(
    "digest", ["v1", "", "sha512:" + "a" * 128, DIGEST.upper(), DIGEST[:-1], DIGEST + "\n", DIGEST[7:]]
)
def test_only_sha256_digests_in_lower_case(digest: str) -> None:
    refused(lambda: bundle(GOOD.bundle(), digest=digest), Code.DIGEST)


def test_an_attestation_is_wanted_but_a_signature_found() -> None:
    refused(lambda: bundle(GOOD.bundle(), predicate_type=SPDX), Code.PREDICATE_TYPE, SPDX)


def test_policy_ca_does_not_add_to_the_roots() -> None:
    by = Keyless(KEYLESS.identities, ca_cert=EVIL.fulcio.root.verifier_pem)
    refused(lambda: bundle(GOOD.bundle(), by=by), Code.UNTRUSTED_ROOT)

"""Signature and attestation layers of cosign 2 that must not count, each with its reason."""

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.core.images.policy import Keyless
from app.images.trust import Code
from tests.simulators.sigstore import OTHER_DIGEST, SPDX, simple_signing, statement
from tests.simulators.sigstore_keys import NOW, b64, cert_pem
from tests.unit.images.trust.tampering import OLD, flip, with_evil_ca
from tests.unit.images.trust.world import BY_KEY, EVIL, GOOD, KEY, KEYLESS, OTHER_KEY, attestation, refused, signature

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
Layer = tuple[bytes, dict[str, str]]


def changed(layer: Layer, **annotations: str | None) -> Layer:
    """The layer with annotations replaced (named without their prefix) or, with None, removed."""
    payload, old = layer
    names = {"signature": SIGNATURE, "certificate": CERTIFICATE, "chain": CHAIN, "bundle": BUNDLE, "stamp": TIMESTAMP}
    new = dict(old)
    for short, value in annotations.items():
        if value is None:
            new.pop(names[short])
        else:
            new[names[short]] = value
    return payload, new


def with_bundle(layer: Layer, **fields: Any) -> Layer:
    """The layer with fields of its logged payload replaced, the promise kept."""
    tree = json.loads(layer[1][BUNDLE])
    tree["Payload"].update(fields)
    return changed(layer, bundle=json.dumps(tree))


def second(layer: Layer) -> str:
    return layer[1][BUNDLE]


def forged_time() -> Layer:
    return with_bundle(GOOD.signature(signer=GOOD.keyless(starts=OLD)), integratedTime=int(OLD.timestamp()) + 60)


def body_of_another() -> Layer:
    """The promise of another, honest entry: the class of CVE-2022-36056."""
    return changed(GOOD.signature(), bundle=second(GOOD.signature(simple_signing(OTHER_DIGEST))))


def promise_changed() -> Layer:
    layer = GOOD.signature()
    tree = json.loads(layer[1][BUNDLE])
    tree["SignedEntryTimestamp"] = flip(tree["SignedEntryTimestamp"])
    return changed(layer, bundle=json.dumps(tree))


def stamp_of(message: bytes) -> str:
    return json.dumps({"SignedRFC3161Timestamp": b64(GOOD.tsa.stamp(message, NOW))})


SIGNATURES: dict[str, tuple[Callable[[], Layer], Code]] = {
    "wrong identity": (lambda: GOOD.signature(signer=GOOD.keyless("evil@example.com")), Code.IDENTITY),
    "wrong issuer": (lambda: GOOD.signature(signer=GOOD.keyless(issuer="https://evil.test")), Code.ISSUER),
    "another image's": (lambda: GOOD.signature(simple_signing(OTHER_DIGEST)), Code.DIGEST),
    "payload exchanged": (
        lambda: (simple_signing(), GOOD.signature(simple_signing(OTHER_DIGEST))[1]),
        Code.SIGNATURE,
    ),
    "signature changed": (
        lambda: changed(layer := GOOD.signature(), signature=flip(layer[1][SIGNATURE])),
        Code.SIGNATURE,
    ),
    "signature removed": (lambda: changed(GOOD.signature(), signature=None), Code.SIGNATURE),
    "signature empty": (lambda: changed(GOOD.signature(), signature=""), Code.SIGNATURE),
    "signature with a line break": (
        lambda: changed(layer := GOOD.signature(), signature=layer[1][SIGNATURE] + "\n"),
        Code.FORMAT,
    ),
    "no annotations": (lambda: (simple_signing(), {}), Code.SIGNATURE),
    "certificate removed": (lambda: changed(GOOD.signature(), certificate=None), Code.CERTIFICATE),
    "certificate exchanged": (
        lambda: changed(GOOD.signature(), certificate=cert_pem_of(GOOD.keyless())),
        Code.SIGNATURE,
    ),
    "two certificates": (
        lambda: changed(GOOD.signature(), certificate=cert_pem_of(GOOD.keyless()) * 2),
        Code.CERTIFICATE,
    ),
    "certificate that is none": (lambda: changed(GOOD.signature(), certificate="x"), Code.CERTIFICATE),
    "another instance": (EVIL.signature, Code.UNTRUSTED_ROOT),
    "another CA": (lambda: with_evil_ca().signature(), Code.UNTRUSTED_ROOT),
    "an attacker's chain annotation": (
        lambda: changed(with_evil_ca().signature(), chain=pem_chain(EVIL.fulcio.chain)),
        Code.UNTRUSTED_ROOT,
    ),
    "a chain of nonsense": (lambda: changed(GOOD.signature(), chain="-----BEGIN CERTIFICATE-----"), Code.CERTIFICATE),
    "a chain without end": (
        lambda: changed(GOOD.signature(), chain=pem_chain(GOOD.fulcio.chain) * 50),
        Code.CERTIFICATE,
    ),
    "no SCT": (lambda: GOOD.signature(signer=GOOD.keyless(scts=0)), Code.SCT),
    "log entry removed": (lambda: changed(GOOD.signature(), bundle=None), Code.LOG),
    "never logged": (lambda: GOOD.signature(log=False), Code.LOG),
    "expired, logged now": (lambda: GOOD.signature(signer=GOOD.keyless(starts=OLD)), Code.EXPIRED),
    "forged time": (forged_time, Code.LOG),
    "entry of another signature": (body_of_another, Code.LOG),
    "entry of the same payload, signed twice": (
        lambda: changed(GOOD.signature(), bundle=second(GOOD.signature())),
        Code.LOG,
    ),
    "promise changed": (promise_changed, Code.LOG),
    "log index changed": (lambda: with_bundle(GOOD.signature(), logIndex=77), Code.LOG),
    "log id of a stranger": (lambda: with_bundle(GOOD.signature(), logID="00" * 32), Code.UNTRUSTED_ROOT),
    "log id in upper case": (
        lambda: with_bundle(GOOD.signature(), logID=GOOD.rekor.log_id.hex().upper()),
        Code.FORMAT,
    ),
    "log id of the other log": (lambda: with_bundle(GOOD.signature(), logID=GOOD.rekor2.log_id.hex()), Code.LOG),
    "time as text of a float": (lambda: with_bundle(GOOD.signature(), integratedTime=1.5), Code.FORMAT),
    "time is true": (lambda: with_bundle(GOOD.signature(), integratedTime=True), Code.FORMAT),
    "bundle annotation is no JSON": (lambda: changed(GOOD.signature(), bundle="{"), Code.FORMAT),
    "bundle annotation is a list": (lambda: changed(GOOD.signature(), bundle="[]"), Code.FORMAT),
    "stamp over something else": (lambda: changed(GOOD.signature(stamp=True), stamp=stamp_of(b"x")), Code.TIMESTAMP),
    "stamp by an unknown authority": (
        lambda: GOOD.with_parts(tsa=EVIL.tsa).signature(stamp=True),
        Code.TIMESTAMP,
    ),
    "stamp is nonsense": (
        lambda: changed(GOOD.signature(stamp=True), stamp='{"SignedRFC3161Timestamp":"AAAA"}'),
        Code.TIMESTAMP,
    ),
    "signed by a bare key": (lambda: GOOD.signature(signer=KEY), Code.CERTIFICATE),
    "payload of another type": (
        lambda: GOOD.signature(simple_signing().replace(b"cosign container", b"atomic container")),
        Code.FORMAT,
    ),
    "payload is a statement": (lambda: GOOD.signature(statement()), Code.FORMAT),
    "digest given twice": (
        lambda: GOOD.signature(
            simple_signing().replace(
                b'"docker-manifest-digest"', b'"docker-manifest-digest":"x","docker-manifest-digest"'
            )
        ),
        Code.FORMAT,
    ),
}


def cert_pem_of(signer: Any) -> str:
    return cert_pem(signer.certificate).decode()


def pem_chain(chain: Any) -> str:
    return b"".join(map(cert_pem, chain)).decode()


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_refused(name: str) -> None:
    make, code = SIGNATURES[name]
    layer = make()
    refused(lambda: signature(layer), code)


def sig_changed(raw: bytes) -> bytes:
    tree = json.loads(raw)
    tree["signatures"][0]["sig"] = flip(tree["signatures"][0]["sig"])
    return json.dumps(tree).encode()


ATTESTATIONS: dict[str, tuple[Callable[[], Layer], Code]] = {
    "wrong identity": (lambda: GOOD.attestation(signer=GOOD.keyless("evil@example.com")), Code.IDENTITY),
    "another image's": (lambda: GOOD.attestation(statement(OTHER_DIGEST, SPDX)), Code.DIGEST),
    "another predicate type": (
        lambda: GOOD.attestation(statement(predicate_type="https://x.test")),
        Code.PREDICATE_TYPE,
    ),
    "an image signature": (lambda: GOOD.attestation(statement()), Code.PREDICATE_TYPE),
    "payload type": (lambda: GOOD.attestation(payload_type="text/plain"), Code.PAYLOAD_TYPE),
    "signature changed": (
        lambda: (sig_changed((layer := GOOD.attestation())[0]), layer[1]),
        Code.SIGNATURE,
    ),
    "envelope is no JSON": (lambda: (b"[", GOOD.attestation()[1]), Code.FORMAT),
    "another instance": (EVIL.attestation, Code.UNTRUSTED_ROOT),
    "log entry removed": (lambda: changed(GOOD.attestation(), bundle=None), Code.LOG),
    "entry of another attestation": (
        lambda: changed(
            GOOD.attestation(), bundle=second(GOOD.attestation(statement(predicate_type="https://x.test")))
        ),
        Code.LOG,
    ),
    "entry of the same statement, signed twice": (
        lambda: changed(GOOD.attestation(), bundle=second(GOOD.attestation())),
        Code.LOG,
    ),
    "expired": (lambda: GOOD.attestation(signer=GOOD.keyless(starts=OLD)), Code.EXPIRED),
    "no SCT": (lambda: GOOD.attestation(signer=GOOD.keyless(scts=0)), Code.SCT),
    "a simple signing payload": (GOOD.signature, Code.FORMAT),
}


@pytest.mark.parametrize("name", ATTESTATIONS)
def test_attestation_refused(name: str) -> None:
    make, code = ATTESTATIONS[name]
    layer = make()
    refused(lambda: attestation(layer), code)


@pytest.mark.parametrize("kind", ["dsse", "intoto", "hashedrekord"])
def test_entries_of_each_kind_are_compared(kind: str) -> None:
    ours = GOOD.attestation(kind=kind)
    others = GOOD.attestation(kind=kind, signer=GOOD.keyless())
    refused(lambda: attestation(changed(ours, bundle=second(others))), Code.LOG)


def test_expired_certificate_without_any_time() -> None:
    layer = GOOD.signature(log=False)
    refused(lambda: signature(layer, log="ignored"), Code.TIMESTAMP)
    stamped = GOOD.signature(log=False, stamp=True, signer=GOOD.keyless(starts=OLD))
    refused(lambda: signature(stamped, log="ignored", timestamps="required"), Code.EXPIRED)
    old_stamp = GOOD.signature(log=False, stamp=True, when=NOW - dt.timedelta(days=1))
    refused(lambda: signature(old_stamp, log="ignored", timestamps="required"), Code.EXPIRED)


def test_a_required_stamp_is_missing() -> None:
    refused(lambda: signature(GOOD.signature(), timestamps="required"), Code.TIMESTAMP)
    refused(lambda: attestation(GOOD.attestation(), timestamps="required"), Code.TIMESTAMP)


KEYED: dict[str, tuple[Callable[[], Layer], Code]] = {
    "another key": (lambda: GOOD.signature(signer=OTHER_KEY), Code.SIGNATURE),
    "a certificate": (GOOD.signature, Code.KEY),
    "another image": (lambda: GOOD.signature(simple_signing(OTHER_DIGEST), KEY), Code.DIGEST),
    "no log entry": (lambda: GOOD.signature(signer=KEY, log=False), Code.LOG),
    "another key's log entry": (
        lambda: changed(GOOD.signature(signer=KEY), bundle=second(GOOD.signature(signer=OTHER_KEY))),
        Code.LOG,
    ),
}


@pytest.mark.parametrize("name", KEYED)
def test_signature_by_key_refused(name: str) -> None:
    make, code = KEYED[name]
    layer = make()
    refused(lambda: signature(layer, by=BY_KEY), code)


def test_a_logged_key_signature_without_a_trust_root() -> None:
    refused(lambda: signature(GOOD.signature(signer=KEY), by=BY_KEY, root=None), Code.UNTRUSTED_ROOT)


def test_an_intermediate_alone_leads_nowhere() -> None:
    """The chain annotation fills gaps, but the policy's CA must be reached."""
    by = Keyless(KEYLESS.identities, ca_cert=cert_pem(EVIL.fulcio.chain[1]))
    refused(lambda: signature(GOOD.signature(), by=by), Code.UNTRUSTED_ROOT)


def test_base64_has_one_spelling() -> None:
    payload, annotations = GOOD.signature()
    text = annotations[SIGNATURE]
    for spelled in (text[:4] + "!" + text[4:], text[:4] + "\n" + text[4:], " " + text):
        refused(lambda spelled=spelled: signature((payload, {**annotations, SIGNATURE: spelled})), Code.FORMAT)
    assert base64.b64decode(text)

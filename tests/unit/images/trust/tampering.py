"""Ways to spoil a bundle, for the adversarial suites."""

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from tests.simulators.sigstore import SPDX, Sigstore, statement
from tests.simulators.sigstore_keys import NOW, b64, der
from tests.unit.images.trust.world import EVIL, GOOD, put

OLD = NOW - dt.timedelta(days=2)
MATERIAL = "verificationMaterial"
ENTRY = (MATERIAL, "tlogEntries", 0)
STAMPS = (MATERIAL, "timestampVerificationData", "rfc3161Timestamps")


def flip(text: str) -> str:
    """Other bytes of the same length, as base64."""
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return b64(bytes(raw))


def mixed(log: str, **parts: Any) -> dict[str, Any]:
    return GOOD.with_parts(**parts).bundle(log=log)


def swapped(log: str, *path: str | int) -> dict[str, Any]:
    """A good bundle with one part of another good bundle."""
    donor = GOOD.bundle(statement(predicate_type=SPDX), log=log, stamp=True)
    for step in path:
        donor = donor[step]
    return put(GOOD.bundle(log=log, stamp=True), donor, *path)


def with_foreign_ct(log: str) -> dict[str, Any]:
    copy = object.__new__(type(GOOD.fulcio))
    copy.__dict__ = {**GOOD.fulcio.__dict__, "ct_key": EVIL.fulcio.ct_key}
    return mixed(log, fulcio=copy)


def in_the_future(log: str) -> dict[str, Any]:
    later = NOW + dt.timedelta(hours=1)
    return GOOD.bundle(signer=GOOD.keyless(starts=later), log=log, when=later)


def change_body(text: str) -> str:
    """Another, well-formed body: the payload's hash replaced."""
    body = json.loads(base64.b64decode(text))
    body["spec"]["added"] = 1
    return b64(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def foreign_checkpoint(log: str) -> dict[str, Any]:
    """The right tree, signed by somebody else under our log's key hint."""
    good, evil = (GOOD.rekor, EVIL.rekor) if log == "v1" else (GOOD.rekor2, EVIL.rekor2)
    tree = GOOD.bundle(log=log)
    proof = tree[MATERIAL]["tlogEntries"][0]["inclusionProof"]
    liar = object.__new__(type(good))
    liar.__dict__ = {**good.__dict__, "key": evil.key}
    envelope = liar.checkpoint(int(proof["treeSize"]), base64.b64decode(proof["rootHash"]))
    return put(tree, envelope, *ENTRY, "inclusionProof", "checkpoint", "envelope")


def other_log_id(log: str) -> dict[str, Any]:
    other = GOOD.rekor2 if log == "v1" else GOOD.rekor
    return put(GOOD.bundle(log=log), b64(other.log_id), *ENTRY, "logId", "keyId")


def other_certificate(log: str) -> dict[str, Any]:
    tree = GOOD.bundle(signer=GOOD.keyless("evil@example.com"), log=log)
    certificate = GOOD.keyless().certificate
    assert certificate is not None
    return put(tree, b64(der(certificate)), MATERIAL, "certificate", "rawBytes")


def foreign_stamp(_: object) -> dict[str, Any]:
    return {"rfc3161Timestamps": [{"signedTimestamp": b64(GOOD.tsa.stamp(b"other", NOW))}]}


def mixed_stamp(log: str) -> dict[str, Any]:
    return GOOD.with_parts(tsa=EVIL.tsa).bundle(log=log, stamp=True)


def with_root(log: str) -> dict[str, Any]:
    tree = GOOD.bundle(log=log, version="v0.2")
    chain = tree[MATERIAL]["x509CertificateChain"]["certificates"]
    chain += [{"rawBytes": b64(der(each))} for each in GOOD.fulcio.chain]
    return tree


def late_stamp() -> dict[str, Any]:
    tree = GOOD.bundle()
    signature = base64.b64decode(tree["dsseEnvelope"]["signatures"][0]["sig"])
    stamp = b64(GOOD.tsa.stamp(signature, NOW - dt.timedelta(days=1)))
    return put(tree, {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}, MATERIAL, STAMPS[1])


def v2_kind_in_v1_log() -> dict[str, Any]:
    """A log that gives promises for entries of a kind that has none."""
    return GOOD.with_parts(rekor2=GOOD.rekor).bundle(log="v2")


def two_logged() -> dict[str, Any]:
    return logging_otherwise(lambda spec: spec.update(signatures=spec["signatures"] * 2)).bundle()


def with_evil_ca() -> Sigstore:
    """Our logs, CT log and timestamp authority; somebody else's certificates."""
    fulcio = object.__new__(type(GOOD.fulcio))
    fulcio.__dict__ = {**EVIL.fulcio.__dict__, "ct_key": GOOD.fulcio.ct_key}
    return GOOD.with_parts(fulcio=fulcio)


def logging_otherwise(edit: Callable[[dict[str, Any]], None]) -> Sigstore:
    """Our instance, whose logs record something else than they were told: `edit` changes an entry's `spec`."""

    class Otherwise(Sigstore):
        def _body(self, *args: Any) -> dict[str, Any]:
            body = super()._body(*args)
            edit(body["spec"])
            return body

        def _body2(self, *args: Any) -> dict[str, Any]:
            body = super()._body2(*args)
            edit(body["spec"])
            return body

    otherwise = object.__new__(Otherwise)
    otherwise.__dict__ = dict(GOOD.__dict__)
    return otherwise


def with_forged_sct() -> Sigstore:
    """Our instance, whose certificates carry an SCT that names our CT log and was signed by another key."""

    class Liar:
        """Says that it is our CT key, and signs with another."""

        def public_key(self) -> Any:
            return GOOD.fulcio.ct_key.public_key()

        def sign(self, *args: Any) -> bytes:
            signature: bytes = EVIL.fulcio.ct_key.sign(*args)
            return signature

    fulcio = object.__new__(type(GOOD.fulcio))
    fulcio.__dict__ = {**GOOD.fulcio.__dict__, "ct_key": Liar()}
    return GOOD.with_parts(fulcio=fulcio)

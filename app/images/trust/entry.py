"""Transparency log entries: made by a trusted log while it was trusted, and about this very signature."""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from app.images.trust import key as keys
from app.images.trust import strict
from app.images.trust.errors import Code, fence, refuse, show
from app.images.trust.root import Log
from app.images.trust.signed import Signed, Signer

_WHAT = "the log entry"
_FIELDS = frozenset(
    {"logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody"}
)
_PROOF_FIELDS = frozenset({"logIndex", "rootHash", "treeSize", "hashes", "checkpoint"})
_V1 = frozenset({("hashedrekord", "0.0.1"), ("dsse", "0.0.1"), ("intoto", "0.0.2")})
_V2 = frozenset({("hashedrekord", "0.0.2")})
_HASHES = {
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "SHA2_256": "sha256",
    "SHA2_384": "sha384",
    "SHA2_512": "sha512",
}
MAX_PROOF = 64
"""Most hashes of an inclusion proof: a tree of 2^64 leaves needs no more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it came with a signature, not yet believed."""

    log_id: bytes
    index: int
    body: bytes
    kind: tuple[str, str]
    integrated: int | None
    promise: bytes | None
    """The log's signature over body, time, index and its own id (SET)."""
    proof: Mapping[str, Any] | None
    """The whole entry as protobuf JSON, if it has an inclusion proof with a checkpoint."""

    @property
    def generation(self) -> int:
        """1 or 2: which Rekor writes such entries."""
        return 2 if self.kind in _V2 else 1

    def verify(
        self, named: Sequence[Log], signed: Signed, signer: Signer, stamped: Sequence[dt.datetime], now: dt.datetime
    ) -> dt.datetime | None:
        """Check everything about the entry; return the time that the log itself vouches for, if it does.

        `named` is what the trust root lists under the entry's log id. A log is believed while its window holds: at its
        own time, else at the timestamps', else `now`.

        Raises:
            TrustError: with code `log`.
        """
        own = [strict.moment(self.integrated, "the log entry's time")] if self.promise and self.integrated else []
        times = own or list(stamped) or [now]
        log = next((each for each in named if all(map(each.window.holds, times))), None)
        if log is None:
            when = f"{times[0]:%Y-%m-%d}"
            refuse(Code.LOG, f"log {show(named[0].name)} is trusted {named[0].window}, the entry is of {when}")
        if not self.promise and self.proof is None:
            refuse(Code.LOG, "the log entry has neither an inclusion proof nor a promise")
        self._check_promise(log)
        if self.proof is not None:
            log.key.verify_inclusion(self.proof)
        check_body(self.body, self.kind, signed, signer)
        return own[0] if own else None

    def _check_promise(self, log: Log) -> None:
        if self.promise is None:
            return
        if self.integrated is None or self.generation != 1:
            refuse(Code.LOG, "the log entry has a promise (SET) but is not of a kind that has one")
        said = {
            "body": base64.b64encode(self.body).decode(),
            "integratedTime": self.integrated,
            "logID": self.log_id.hex(),
            "logIndex": self.index,
        }
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        log.key.verify(self.promise, canonical, "the log entry's promise (SET) is not valid")


def from_bundle(node: Mapping[str, Any], *, promise_needed: bool, proof_needed: bool) -> Entry:
    """Read a `tlogEntries` item; the flags are what the bundle's version demands."""
    strict.known(node, _FIELDS, _WHAT)
    version = strict.mapping(node, "kindVersion", _WHAT)
    promise = node.get("inclusionPromise")
    proof = node.get("inclusionProof")
    if proof is not None:
        strict.known(strict.mapping(node, "inclusionProof", _WHAT), _PROOF_FIELDS, "the inclusion proof")
        hashes = proof.get("hashes", [])
        if not isinstance(hashes, list) or len(hashes) > MAX_PROOF:
            refuse(Code.FORMAT, "the inclusion proof has no hashes or too many")
    checkpointed = proof is not None and bool(proof.get("checkpoint"))
    if promise_needed and promise is None:
        refuse(Code.LOG, "the log entry has no promise (SET), which a bundle of this version needs")
    if proof_needed and not checkpointed:
        refuse(Code.LOG, "the log entry has no inclusion proof with a checkpoint, which a bundle of this version needs")
    return Entry(
        log_id=strict.octets(strict.mapping(node, "logId", _WHAT), "keyId", _WHAT),
        index=strict.number(node, "logIndex", _WHAT),
        body=strict.octets(node, "canonicalizedBody", _WHAT),
        kind=(strict.text(version, "kind", _WHAT), strict.text(version, "version", _WHAT)),
        integrated=strict.number(node, "integratedTime", _WHAT) if node.get("integratedTime") is not None else None,
        promise=None if promise is None else _promise(node),
        proof=_complete(node) if checkpointed else None,
    )


def _promise(node: Mapping[str, Any]) -> bytes:
    return strict.octets(strict.mapping(node, "inclusionPromise", _WHAT), "signedEntryTimestamp", _WHAT)


def _complete(node: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with the defaults that protobuf's JSON leaves out: a tree of one leaf has an empty list of hashes."""
    return {**node, "inclusionProof": {"hashes": [], "logIndex": "0", **node["inclusionProof"]}}


def from_annotation(raw: str) -> Entry:
    """Read cosign's `dev.sigstore.cosign/bundle` annotation: a promise without an inclusion proof."""
    what = "the bundle annotation"
    tree = strict.document(raw, what)
    said = strict.mapping(tree, "Payload", what)
    log_id = strict.text(said, "logID", what)
    with fence(Code.FORMAT, f"{what}: logID"):
        known_id = bytes.fromhex(log_id)
    if known_id.hex() != log_id:
        refuse(Code.FORMAT, f"{what}: logID is not lower-case hex")
    body = strict.octets(said, "body", what)
    content = strict.document(body, "the log entry's body")
    return Entry(
        log_id=known_id,
        index=strict.number(said, "logIndex", what),
        body=body,
        kind=(str(content.get("kind")), str(content.get("apiVersion"))),
        integrated=strict.number(said, "integratedTime", what),
        promise=strict.octets(tree, "SignedEntryTimestamp", what),
        proof=None,
    )


def check_body(raw: bytes, kind: tuple[str, str], signed: Signed, signer: Signer) -> None:
    """Require that the entry's body is about this content, signature and signer (the class of CVE-2022-36056).

    Raises:
        TrustError: with code `log`.
    """
    body = strict.document(raw, "the log entry's body")
    if (body.get("kind"), body.get("apiVersion")) != kind:
        refuse(Code.LOG, "the log entry's body is of another kind than the entry says")
    if kind not in _V1 | _V2 or (kind[0] in {"dsse", "intoto"} and not signed.dsse):
        refuse(Code.LOG, f"a log entry of kind {show('/'.join(kind))} does not go with this signature")
    spec = strict.mapping(body, "spec", _WHAT)
    with fence(Code.LOG, "the log entry's body is malformed"):
        _READERS[kind](spec, signed, signer)


def _same_hash(node: Mapping[str, Any], content: bytes) -> None:
    algorithm = _HASHES.get(str(node.get("algorithm")))
    value = node.get("value")
    if algorithm is None or value != hashlib.new(algorithm, content).hexdigest():
        refuse(Code.LOG, "the log entry is about other content")


def _same_signature(logged: bytes, signed: Signed) -> None:
    if logged != signed.signature:
        refuse(Code.LOG, "the log entry is about another signature")


def _same_signer(pem: bytes, signer: Signer) -> None:
    """Compare with a base64-decoded PEM block: a certificate if there is one, else a public key."""
    if signer.certificate is not None:
        same = x509.load_pem_x509_certificate(pem) == signer.certificate
    else:
        same = keys.one_from_pem(pem) == signer.key
    if not same:
        refuse(Code.LOG, "the log entry is about another signer")


def _hashedrekord_v1(spec: Mapping[str, Any], signed: Signed, signer: Signer) -> None:
    _same_hash(strict.mapping(strict.mapping(spec, "data", _WHAT), "hash", _WHAT), signed.message)
    signature = strict.mapping(spec, "signature", _WHAT)
    _same_signature(strict.octets(signature, "content", _WHAT), signed)
    _same_signer(strict.octets(strict.mapping(signature, "publicKey", _WHAT), "content", _WHAT), signer)


def _hashedrekord_v2(spec: Mapping[str, Any], signed: Signed, signer: Signer) -> None:
    record = strict.mapping(spec, "hashedRekordV002", _WHAT)
    data = strict.mapping(record, "data", _WHAT)
    _same_hash(
        {"algorithm": data.get("algorithm"), "value": strict.octets(data, "digest", _WHAT).hex()}, signed.message
    )
    signature = strict.mapping(record, "signature", _WHAT)
    _same_signature(strict.octets(signature, "content", _WHAT), signed)
    verifier = strict.mapping(signature, "verifier", _WHAT)
    if signer.certificate is not None:
        der = strict.octets(strict.mapping(verifier, "x509Certificate", _WHAT), "rawBytes", _WHAT)
        same = x509.load_der_x509_certificate(der) == signer.certificate
    else:
        same = (
            keys.from_der(strict.octets(strict.mapping(verifier, "publicKey", _WHAT), "rawBytes", _WHAT)) == signer.key
        )
    if not same:
        refuse(Code.LOG, "the log entry is about another signer")


def _dsse_v1(spec: Mapping[str, Any], signed: Signed, signer: Signer) -> None:
    # envelopeHash covers JSON whose spelling is not canonical, so it can be compared with nothing.
    _same_hash(strict.mapping(spec, "payloadHash", _WHAT), signed.payload)
    only = _only(spec, "signatures")
    _same_signature(strict.octets(only, "signature", _WHAT), signed)
    _same_signer(strict.octets(only, "verifier", _WHAT), signer)


def _intoto_v2(spec: Mapping[str, Any], signed: Signed, signer: Signer) -> None:
    content = strict.mapping(spec, "content", _WHAT)
    _same_hash(strict.mapping(content, "payloadHash", _WHAT), signed.payload)
    only = _only(strict.mapping(content, "envelope", _WHAT), "signatures")
    # This kind of entry holds the base64 text of the signature, in base64 again.
    inner = strict.octets(only, "sig", _WHAT).decode("latin-1")
    _same_signature(strict.unbase64(inner, "the log entry: sig"), signed)
    _same_signer(strict.octets(only, "publicKey", _WHAT), signer)


def _only(node: Mapping[str, Any], name: str) -> dict[str, Any]:
    listed = strict.items(node, name, _WHAT, 8)
    if len(listed) != 1:
        refuse(Code.LOG, f"the log entry has {len(listed)} signatures, not one")
    return listed[0]


_READERS = {
    ("hashedrekord", "0.0.1"): _hashedrekord_v1,
    ("hashedrekord", "0.0.2"): _hashedrekord_v2,
    ("dsse", "0.0.1"): _dsse_v1,
    ("intoto", "0.0.2"): _intoto_v2,
}

"""DSSE envelopes: the bytes that a signature covers, and cosign's attestations as layers with annotations."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from app.core.images.policy import Key, Keyless, LogDuty, StampDuty
from app.images.trust import legacy, statement, strict
from app.images.trust.errors import Code, fenced, refuse, show
from app.images.trust.evidence import Evidence, conclude, judge
from app.images.trust.root import TrustRoot
from app.images.trust.signed import Signed, Terms, Verified

_WHAT = "the envelope"
_FIELDS = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE_FIELDS = frozenset({"sig", "keyid"})


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding (DSSE v1): what is really signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read(node: Mapping[str, Any], envelope: bytes = b"") -> Signed:
    """Signature and content of an envelope that has exactly one signature over an in-toto statement.

    Raises:
        TrustError: `payload-type`, `signature` for none or several, `format`.
    """
    strict.known(node, _FIELDS, _WHAT)
    payload_type = strict.text(node, "payloadType", _WHAT)
    if payload_type != statement.PAYLOAD_TYPE:
        refuse(Code.PAYLOAD_TYPE, f"the envelope holds {show(payload_type)}, not an in-toto statement")
    signatures = strict.items(node, "signatures", _WHAT, 64)
    if len(signatures) != 1:
        refuse(Code.SIGNATURE, f"the envelope has {len(signatures)} signatures, not one")
    strict.known(signatures[0], _SIGNATURE_FIELDS, "the envelope's signature")
    payload = strict.octets(node, "payload", _WHAT)
    signature = strict.octets(signatures[0], "sig", _WHAT)
    return Signed(pae(payload_type, payload), signature, payload, dsse=True, envelope=envelope)


@fenced("the attestation cannot be verified")
def verify_dsse_layer(  # noqa: PLR0913 - the terms are the public contract
    envelope: bytes,
    annotations: Mapping[str, str],
    *,
    root: TrustRoot | None,
    by: Keyless | Key,
    digest: str,
    predicate_type: str | None,
    log: LogDuty,
    timestamps: StampDuty,
    now: dt.datetime,
) -> Verified:
    """Verify a layer of a `.att` manifest: an envelope, with certificate, log entry and timestamp as annotations.

    Raises:
        TrustError: the check that failed.
    """
    signed = read(strict.document(envelope, _WHAT), envelope)
    evidence = Evidence(signed, *legacy.credentials(annotations))
    proof = judge(evidence, Terms(root, by, log, timestamps, now))
    return conclude(proof, signed.payload, lambda: statement.check_statement(signed.payload, digest, predicate_type))

"""Signatures dated after the certificate's end by a trusted service: only who has its key can make them."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from app.images.artifact import Form
from app.images.trust import Code
from app.images.trust.legacy import BUNDLE, SIGNATURE, TIMESTAMP
from tests.sigstore.authorities import Authorities
from tests.sigstore.judging import Piece, Question
from tests.sigstore.tampering import Case
from tests.simulators.sigstore_ca import Tsa
from tests.simulators.sigstore_keys import b64, canonical

DELAY = dt.timedelta(hours=1)
"""Fulcio's certificates are good for ten minutes."""
_NAME = "expired certificate"


class Clerk:
    """Dates signatures with the keys of a stack's own Rekor v1 and timestamp authority."""

    def __init__(self, authorities: Authorities) -> None:
        self._rekor = authorities.rekor_v1
        self._tsa = object.__new__(Tsa)
        self._tsa.key, self._tsa.certificate = authorities.tsa.key, authorities.tsa.certificate

    def cases(self, piece: Piece, question: Question, signed: dt.datetime) -> Iterator[Case]:
        """The same signature, dated too late by what dated it; `signed` is when it was made."""
        late = signed + DELAY
        altered = self._bundle(piece, late) if piece.form is Form.BUNDLE else self._layer(piece, late)
        yield Case(_NAME, altered, question, frozenset({Code.EXPIRED}))

    def _bundle(self, piece: Piece, late: dt.datetime) -> Piece:
        tree = json.loads(piece.content)
        material = tree["verificationMaterial"]
        for entry in material.get("tlogEntries", ()):
            if "inclusionPromise" in entry:
                entry["integratedTime"] = str(int(late.timestamp()))
                log_id = base64.b64decode(entry["logId"]["keyId"]).hex()
                promise = self._promise(entry["canonicalizedBody"], late, log_id, int(entry["logIndex"]))
                entry["inclusionPromise"]["signedEntryTimestamp"] = promise
        for stamp in material.get("timestampVerificationData", {}).get("rfc3161Timestamps", ()):
            signature = base64.b64decode(tree["dsseEnvelope"]["signatures"][0]["sig"])
            stamp["signedTimestamp"] = b64(self._tsa.stamp(signature, late))
        return replace(piece, content=json.dumps(tree).encode())

    def _layer(self, piece: Piece, late: dt.datetime) -> Piece:
        annotations = dict(piece.annotations)
        if BUNDLE in annotations:
            tree: Any = json.loads(annotations[BUNDLE])
            payload = tree["Payload"]
            payload["integratedTime"] = int(late.timestamp())
            promise = self._promise(payload["body"], late, payload["logID"], payload["logIndex"])
            annotations[BUNDLE] = json.dumps({**tree, "SignedEntryTimestamp": promise})
        if TIMESTAMP in annotations:
            encoded = annotations[SIGNATURE] or json.loads(piece.content)["signatures"][0]["sig"]
            stamp = self._tsa.stamp(base64.b64decode(encoded), late)
            annotations[TIMESTAMP] = json.dumps({"SignedRFC3161Timestamp": b64(stamp)})
        return replace(piece, annotations=annotations)

    def _promise(self, body: str, late: dt.datetime, log_id: str, index: int) -> str:
        said = {"body": body, "integratedTime": int(late.timestamp()), "logID": log_id, "logIndex": index}
        return b64(self._rekor.sign(canonical(said), ec.ECDSA(hashes.SHA256())))

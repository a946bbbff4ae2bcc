"""What must not count: for each signature that cosign made, everything that can be wrong about it from outside.

Each case changes the piece or the question, and names the codes that a refusal may have. Where several codes are right,
the same change is caught by whichever of two checks comes first.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.images.policy import Identity, Key, Keyless
from app.images.artifact import Form
from app.images.trust import Code, TrustRoot
from app.images.trust.legacy import BUNDLE, CERTIFICATE, SIGNATURE, TIMESTAMP
from tests.sigstore.judging import Piece, Question

OTHER_DIGEST = "sha256:" + "ab" * 32
OTHER_TYPE = "https://example.com/predicate/v1"


@dataclass(frozen=True)
class Others:
    """What an attacker has: the same things of other signatures, and of another instance."""

    root: TrustRoot
    """A trust root that knows none of the services."""
    key: bytes
    """Somebody else's public key, PEM."""
    donor: Piece
    """A good signature of the same format and way of trust, over another image."""


@dataclass(frozen=True)
class Case:
    """One thing that is wrong."""

    name: str
    """A column of the table in docs/image-matrix.md."""
    piece: Piece
    question: Question
    codes: frozenset[Code]


def cases(piece: Piece, question: Question, others: Others) -> Iterator[Case]:
    """All that apply to the piece."""

    def case(name: str, *codes: Code, piece: Piece = piece, **changes: Any) -> Case:
        return Case(name, piece, question.but(**changes), frozenset(codes))

    yield case("other digest", Code.DIGEST, digest=OTHER_DIGEST)
    if isinstance(question.by, Keyless):
        (only,) = question.by.identities
        mallory = only._replace(subject="mallory@example.com")
        yield case("wrong identity", Code.IDENTITY, by=Keyless((mallory,)))
        yield case("wrong issuer", Code.ISSUER, by=Keyless((only._replace(issuer="https://issuer.example"),)))
        # The right subject of one identity with the right issuer of the other.
        mixed = (
            Identity(issuer=only.issuer, subject="nobody@example.com"),
            only._replace(issuer="https://other.example"),
        )
        yield case("wrong issuer", Code.ISSUER, Code.IDENTITY, by=Keyless(mixed))
        yield case("no permitted identity", Code.IDENTITY, by=Keyless(()))
        yield case("key instead of certificate", Code.KEY, Code.CERTIFICATE, by=Key(others.key))
    else:
        yield case("wrong identity", Code.KEY, Code.SIGNATURE, by=Key(others.key))
        stranger = Keyless((Identity(issuer="https://issuer.example", subject="dev@example.com"),))
        yield case("wrong issuer", Code.KEY, Code.CERTIFICATE, by=stranger)
    if isinstance(question.by, Keyless) or question.log == "required":
        unknown = [Code.UNTRUSTED_ROOT]
        if question.timestamps == "required":
            unknown.append(Code.TIMESTAMP)
        yield case("untrusted root", *unknown, root=others.root)
    if piece.form is not Form.SIMPLE:
        yield case("other predicate type", Code.PREDICATE_TYPE, predicate_type=OTHER_TYPE)
        if question.predicate_type is not None:
            yield case("other predicate type", Code.PREDICATE_TYPE, predicate_type=None)
    empty = (Code.FORMAT, Code.SIGNATURE)
    yield case("empty layer", *empty, piece=replace(piece, content=b""))
    yield from (_bundle if piece.form is Form.BUNDLE else _layer)(piece, question, others)


def _bundle(piece: Piece, question: Question, others: Others) -> Iterator[Case]:
    bundle = _Bundle(piece, question, json.loads(others.donor.content))
    yield from bundle.envelope()
    if "certificate" in bundle.theirs:
        yield from bundle.certificate()
    if bundle.theirs.get("tlogEntries"):
        yield from bundle.log_entry()
    if bundle.theirs.get("timestampVerificationData", {}).get("rfc3161Timestamps"):
        yield from bundle.timestamp()


class _Bundle:
    """A bundle and another one, `donor`, of the same kind."""

    def __init__(self, piece: Piece, question: Question, donor: Any) -> None:
        self._piece, self._question, self._donor = piece, question, donor
        self.theirs = donor["verificationMaterial"]

    def _case(self, name: str, path: Sequence[str | int], change: Callable[[Any], Any], *codes: Code) -> Case:
        """Change what is at the path; None removes it."""
        tree = json.loads(self._piece.content)
        holder = tree
        for step in path[:-1]:
            holder = holder[step]
        value = change(holder[path[-1]])
        if value is None:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        return Case(name, replace(self._piece, content=json.dumps(tree).encode()), self._question, frozenset(codes))

    def envelope(self) -> Iterator[Case]:
        theirs, at = self._donor["dsseEnvelope"], "dsseEnvelope"
        yield self._case("tampered payload", (at, "payload"), _restated, Code.SIGNATURE)
        yield self._case("tampered payload", (at, "payload"), lambda _: theirs["payload"], Code.SIGNATURE)
        yield self._case("tampered payload", (at, "payloadType"), lambda _: "text/plain", Code.PAYLOAD_TYPE)
        yield self._case("tampered signature", (at, "signatures", 0, "sig"), _flipped, Code.SIGNATURE)
        yield self._case("tampered signature", (at, "signatures"), lambda _: theirs["signatures"], Code.SIGNATURE)
        yield self._case("removed signature", (at, "signatures"), lambda _: [], Code.FORMAT, Code.SIGNATURE)

    def certificate(self) -> Iterator[Case]:
        theirs, at = self.theirs["certificate"], ("verificationMaterial", "certificate")
        yield self._case("tampered certificate", at, lambda _: theirs, Code.SIGNATURE)
        yield self._case("tampered certificate", (*at, "rawBytes"), _flipped, *_certificate_codes(self._question))

    def log_entry(self) -> Iterator[Case]:
        theirs, at = self.theirs["tlogEntries"], ("verificationMaterial", "tlogEntries")
        name, codes = "tampered log entry", (Code.LOG, Code.FORMAT)
        yield self._case(name, at, lambda _: theirs, *codes)
        yield self._case(name, (*at, 0, "canonicalizedBody"), _altered_body, *codes)
        yield self._case(name, (*at, 0, "inclusionProof", "rootHash"), _flipped, *codes)
        yield self._case(name, (*at, 0, "inclusionProof", "checkpoint", "envelope"), _altered_checkpoint, *codes)
        if "inclusionPromise" in theirs[0]:
            yield self._case(name, (*at, 0, "inclusionPromise", "signedEntryTimestamp"), _flipped, *codes)
            yield self._case(name, (*at, 0, "integratedTime"), lambda when: str(int(when) - 1), *codes)
        yield self._case("removed log entry", at, lambda _: None, Code.LOG)

    def timestamp(self) -> Iterator[Case]:
        at = ("verificationMaterial", "timestampVerificationData")
        theirs = self.theirs["timestampVerificationData"]
        first = (*at, "rfc3161Timestamps", 0, "signedTimestamp")
        yield self._case("tampered timestamp", first, _flipped, Code.TIMESTAMP)
        yield self._case("tampered timestamp", at, lambda _: theirs, Code.TIMESTAMP)
        if self._question.timestamps == "required":
            yield self._case("removed timestamp", at, lambda _: None, Code.TIMESTAMP)


def _layer(piece: Piece, question: Question, others: Others) -> Iterator[Case]:
    donor = others.donor

    def annotated(name: str, key: str, change: Callable[[str], str | None], *codes: Code) -> Case:
        annotations = dict(piece.annotations)
        value = change(annotations.pop(key))
        if value is not None:
            annotations[key] = value
        return Case(name, replace(piece, annotations=annotations), question, frozenset(codes))

    def content(name: str, altered: bytes, *codes: Code) -> Case:
        return Case(name, replace(piece, content=altered), question, frozenset(codes))

    # An envelope brings its signature along, so that a key's is good, but for another image or another entry.
    replayed = () if piece.form is Form.SIMPLE else (Code.LOG, Code.DIGEST, Code.PREDICATE_TYPE)
    yield content("tampered payload", donor.content, Code.SIGNATURE, *replayed)
    if piece.form is Form.SIMPLE:
        yield content(
            "tampered payload", piece.content.replace(b"cosign container", b"Cosign container"), Code.SIGNATURE
        )
        yield annotated("tampered signature", SIGNATURE, _flipped, Code.SIGNATURE)
        yield annotated("tampered signature", SIGNATURE, lambda _: donor.annotations[SIGNATURE], Code.SIGNATURE)
        yield annotated("removed annotation", SIGNATURE, lambda _: None, Code.SIGNATURE)
        yield annotated("removed annotation", SIGNATURE, lambda _: "", Code.SIGNATURE)
    else:
        envelope = json.loads(piece.content)
        for name, key, value, code in (
            ("tampered payload", "payload", _restated(envelope["payload"]), Code.SIGNATURE),
            ("tampered payload", "payloadType", "text/plain", Code.PAYLOAD_TYPE),
            ("tampered signature", "signatures", [{"sig": _flipped(envelope["signatures"][0]["sig"])}], Code.SIGNATURE),
            ("removed signature", "signatures", [], Code.FORMAT),
        ):
            yield content(name, json.dumps({**envelope, key: value}).encode(), code, Code.SIGNATURE)
    if CERTIFICATE in piece.annotations:
        their = donor.annotations[CERTIFICATE]
        yield annotated("tampered certificate", CERTIFICATE, lambda _: their, Code.SIGNATURE)
        yield annotated("tampered certificate", CERTIFICATE, _flipped_pem, *_certificate_codes(question))
        yield annotated("removed annotation", CERTIFICATE, lambda _: None, Code.CERTIFICATE, Code.KEY)
    if BUNDLE in piece.annotations:
        yield annotated("tampered log entry", BUNDLE, lambda _: donor.annotations[BUNDLE], Code.LOG)
        for key, change in (
            ("SignedEntryTimestamp", _flipped),
            ("body", _altered_body),
            ("integratedTime", lambda when: when - 1),
            ("logIndex", lambda index: index + 1),
        ):
            yield annotated("tampered log entry", BUNDLE, _inside(key, change), Code.LOG, Code.FORMAT)
        yield annotated("removed annotation", BUNDLE, lambda _: None, Code.LOG)
    if TIMESTAMP in piece.annotations:
        flipped = _inside("SignedRFC3161Timestamp", _flipped)
        yield annotated("tampered timestamp", TIMESTAMP, flipped, Code.TIMESTAMP)
        yield annotated("tampered timestamp", TIMESTAMP, lambda _: donor.annotations[TIMESTAMP], Code.TIMESTAMP)
        yield annotated("removed annotation", TIMESTAMP, lambda _: None, Code.TIMESTAMP)


def _certificate_codes(question: Question) -> tuple[Code, ...]:
    """A certificate with another signature is not the one that was logged; without a log, no CA made it."""
    checked_first = (Code.LOG,) if question.log == "required" else ()
    return (*checked_first, Code.CERTIFICATE, Code.UNTRUSTED_ROOT)


def _flipped(encoded: str) -> str:
    """Another last byte: of an ECDSA signature, that is in its second number; structures stay what they are."""
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    return base64.b64encode(raw).decode()


def _flipped_pem(text: str) -> str:
    head, *lines, foot = text.strip().splitlines()
    body = _flipped("".join(lines))
    return "\n".join([head, *(body[at : at + 64] for at in range(0, len(body), 64)), foot]) + "\n"


def _restated(payload: str) -> str:
    """The same statement with other spaces: the same meaning is not the same bytes."""
    return base64.b64encode(json.dumps(json.loads(base64.b64decode(payload)), indent=1).encode()).decode()


def _altered_body(body: str) -> str:
    tree = json.loads(base64.b64decode(body))
    tree["apiVersion"] = "0.0.9"
    return base64.b64encode(json.dumps(tree).encode()).decode()


def _altered_checkpoint(note: str) -> str:
    origin, size, rest = note.split("\n", 2)
    return f"{origin}\n{int(size) + 1}\n{rest}"


def _inside(key: str, change: Callable[[Any], Any]) -> Callable[[str], str]:
    """Change a field of the annotation's JSON, at its top or in its Payload."""

    def apply(raw: str) -> str:
        tree = json.loads(raw)
        holder = tree if key in tree else tree["Payload"]
        holder[key] = change(holder[key])
        return json.dumps(tree)

    return apply

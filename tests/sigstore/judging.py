"""What Pratique finds in a repository and says about it: through the registry client, discovery and the trust core."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from app.core.images.policy import (
    Attestation,
    Authority,
    Identity,
    ImagePolicy,
    Key,
    Keyless,
    LogDuty,
    StampDuty,
)
from app.core.images.reference import Reference
from app.core.images.result import ImageResult
from app.images.artifact import Form
from app.images.discovery import Discovery
from app.images.question import Subject, World
from app.images.registry import HostSettings, Registry, RegistrySettings
from app.images.trust import TrustRoot, Verified, verify_bundle, verify_dsse_layer, verify_simple_signing
from app.images.verify import verify
from tests.sigstore.rows import Row
from tests.simulators.registry import LOOPBACK

SECONDS = 20.0


@dataclass(frozen=True)
class Piece:
    """One signature or attestation as it lies in the registry."""

    form: Form
    content: bytes
    annotations: Mapping[str, str]
    where: str
    kind: str


@dataclass(frozen=True)
class Question:
    """What a piece is asked: the arguments of the trust core."""

    by: Keyless | Key
    root: TrustRoot | None
    digest: str
    predicate_type: str | None
    log: LogDuty
    timestamps: StampDuty
    now: dt.datetime

    def but(self, **changes: Any) -> Question:
        return replace(self, **changes)

    def keyless(self) -> Keyless:
        assert isinstance(self.by, Keyless)
        return self.by


def judge(piece: Piece, question: Question) -> Verified:
    """Raises TrustError."""
    terms: dict[str, Any] = {
        "root": question.root,
        "by": question.by,
        "digest": question.digest,
        "log": question.log,
        "timestamps": question.timestamps,
        "now": question.now,
    }
    if piece.form is Form.BUNDLE:
        return verify_bundle(piece.content, predicate_type=question.predicate_type, **terms)
    if piece.form is Form.DSSE:
        return verify_dsse_layer(piece.content, piece.annotations, predicate_type=question.predicate_type, **terms)
    return verify_simple_signing(piece.content, piece.annotations, **terms)


@contextmanager
def client(*registries: str, **settings: Any) -> Iterator[Registry]:
    """A registry client that may talk to these on loopback."""
    hosts = {each: HostSettings(**{"http": True, "allow": LOOPBACK, **settings}) for each in registries}
    registry = Registry(RegistrySettings(hosts=hosts))
    try:
        yield registry
    finally:
        registry.close()


def pieces(registry: Registry, context: str, digest: str) -> list[Piece]:
    """Everything of sigstore's that discovery finds for an image."""
    found = Discovery(registry, context, digest, None, time.monotonic() + SECONDS)
    listed = [
        Piece(each.form, each.load(), dict(each.annotations), each.where, each.kind)
        for each in found
        if each.form is not Form.OTHER
    ]
    assert not found.troubles, found.troubles
    return listed


class OneRoot:
    """The same trust root for all authorities."""

    def __init__(self, root: TrustRoot | None) -> None:
        self._root = root

    def for_authority(self, authority: Authority) -> TrustRoot | None:
        return self._root

    def version_for(self, policy: ImagePolicy) -> str:
        return self._root.version if self._root else ""


def permitted(subject: str, issuer: str) -> Keyless:
    return Keyless((Identity(issuer=issuer, subject=subject),))


def policy(question: Question) -> ImagePolicy:
    """The question as a policy of one authority."""
    wanted = (Attestation("wanted", question.predicate_type),) if question.predicate_type else ()
    authority = Authority("signer", question.by, log=question.log, timestamps=question.timestamps, attestations=wanted)
    return ImagePolicy("test", ("**",), (authority,), multi_arch="index")


def result(registry: Registry, context: str, question: Question, *, exhaustive: bool = True) -> ImageResult:
    """Pratique's verdict on an image in a repository."""
    image = f"{context}@{question.digest}"
    world = World(
        registry, OneRoot(question.root), None, question.now, time.monotonic() + SECONDS, exhaustive=exhaustive
    )
    return verify(Subject(Reference.parse(image), image, question.digest), policy(question), world).result


def question_of(row: Row, *, by: Keyless | Key, root: TrustRoot, digest: str, now: dt.datetime) -> Question:
    """What the row's own policy asks."""
    return Question(by, root, digest, row.predicate_type, row.terms.log, row.terms.timestamps, now)

"""What the manifests of signatures and attestations hold: candidates, none of them believed yet."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from app.errors import PratiqueError
from app.images.registry.content import Descriptor
from app.images.registry.errors import plain

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE: Final = "application/vnd.dsse.envelope.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
"""Beginning of the media types of sigstore bundles; the version follows in two spellings."""
PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"
LAYER_PREDICATE_TYPE: Final = "predicateType"
FOREIGN: Final = "it is no signature or attestation of sigstore's"
NO_TEXTS: Final[Mapping[str, str]] = {}


class Form(enum.Enum):
    """How a candidate is to be read."""

    BUNDLE = "bundle"
    SIMPLE = "simple signing"
    DSSE = "DSSE envelope"
    OTHER = "other"
    """Nothing of sigstore's, or what could not be read: never counts, but is told."""


class NotLoaded(PratiqueError):  # noqa: N818 - what it is
    """Content that is not fetched, because it is too large."""


class Candidate:
    """Something that may be a signature or an attestation. Its content is fetched when it is first asked for."""

    __slots__ = ("_content", "_fetch", "annotations", "digest", "form", "kind", "predicate_type", "trouble", "where")

    def __init__(  # noqa: PLR0913 - a value with many fields
        self,
        where: str,
        kind: str,
        form: Form,
        digest: str,
        *,
        fetch: Callable[[], bytes] = bytes,
        annotations: Mapping[str, str] = NO_TEXTS,
        predicate_type: str = "",
        trouble: str = "",
    ) -> None:
        self.where = where
        """'referrers', 'fallback-tag', 'sig-tag' or 'att-tag'."""
        self.kind = kind
        """Its format for people: 'bundle v0.3', 'simple signing', ..."""
        self.form = form
        self.digest = digest
        """Of the content; of the manifest where no content could be told."""
        self.annotations = annotations
        """Those of the layer: unsigned."""
        self.predicate_type = predicate_type
        """What annotations claim, '' if nothing: a hint for the order."""
        self.trouble = trouble
        """Why it can be no signature, where that is known without its content."""
        self._fetch = fetch
        self._content: bytes | None = None

    def load(self) -> bytes:
        """Give the content. Raises NotLoaded, RegistryError."""
        if self._content is None:
            self._content = self._fetch()
        return self._content


class Node(msgspec.Struct):
    """A descriptor."""

    media_type: str = msgspec.field(default="", name="mediaType")
    digest: str = ""
    size: int = 0
    artifact_type: str = msgspec.field(default="", name="artifactType")
    annotations: dict[str, str] | None = None


class ArtifactManifest(msgspec.Struct):
    """A manifest of an artifact, or an index; its lists are not read yet, so that one bad entry spoils no other."""

    artifact_type: str = msgspec.field(default="", name="artifactType")
    config: Node | None = None
    layers: list[msgspec.Raw] = []
    manifests: list[msgspec.Raw] = []
    subject: Node | None = None
    annotations: dict[str, str] | None = None


def promise(entry: Descriptor) -> int:
    """How much an entry of a list looks like sigstore's: 0 is best. Sorting is stable."""
    kind = entry.artifact_type
    if kind.startswith(BUNDLE) or "cosign" in kind or PREDICATE_TYPE in entry.annotations:
        return 0
    return 1 if not kind or "oci.empty" in kind or "oci.image" in kind else 2


def form_of(media_type: str, artifact_type: str) -> tuple[Form, str]:
    """How a layer is to be read, and what its format is called."""
    if media_type == SIMPLE_SIGNING:
        return Form.SIMPLE, "simple signing"
    if media_type == DSSE:
        return Form.DSSE, "DSSE envelope"
    if media_type.startswith(BUNDLE):
        return Form.BUNDLE, _bundle_kind(media_type)
    if artifact_type.startswith(BUNDLE):
        return Form.BUNDLE, _bundle_kind(artifact_type)
    return Form.OTHER, plain(artifact_type or media_type, 80) or "unknown"


def _bundle_kind(media_type: str) -> str:
    """The version, from `...bundle.v0.3+json` or `...bundle+json;version=0.3`."""
    rest = media_type.removeprefix(BUNDLE)
    version = rest.partition("version=")[2] or rest.removeprefix(".v").partition("+")[0]
    return f"bundle v{plain(version, 8)}" if version else "bundle"


def decode(content: bytes) -> ArtifactManifest | None:
    """Read a manifest; None if it is none."""
    try:
        return msgspec.json.decode(content, type=ArtifactManifest)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def node(raw: msgspec.Raw) -> Node | None:
    """One descriptor; a broken one does not spoil the list that it stands in."""
    try:
        return msgspec.json.decode(raw, type=Node)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None

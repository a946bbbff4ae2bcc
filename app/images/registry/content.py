"""What registries store: manifests and descriptors, read strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from app.images.registry.errors import Failure, Kind

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT: Final = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"

_HEX: Final = frozenset("0123456789abcdef")
_DIGEST_LENGTH: Final = len("sha256:") + 64
_EMPTY: Final[Mapping[str, str]] = {}
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND: Final = bytes.maketrans(b"[]{}", b"()()")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a registry says that it has: only a digest that was hashed is more than a claim."""

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    """A hint in referrers; registries are known to get it wrong."""
    annotations: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Hints in referrers; nobody signed them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index whose bytes hash to its digest."""

    content: bytes
    media_type: str
    digest: str


def is_digest(text: str) -> bool:
    """Whether text is `sha256:` and 64 hexadecimal digits in lower case; no other algorithm counts."""
    return len(text) == _DIGEST_LENGTH and text.startswith("sha256:") and set(text[7:]) <= _HEX


def digest_of(content: bytes) -> str:
    """Hash content as registries name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def require_digest(content: bytes, digest: str) -> None:
    """Raise Failure unless the content hashes to the digest."""
    if digest_of(content) != digest:
        raise Failure(Kind.PROTOCOL, "the content does not have the digest that was asked for")


def require_shallow(document: bytes, depth: int) -> None:
    """Raise Failure for JSON that is nested deeper than `depth`; no recursion, and linear time for each level."""
    unescaped = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(depth):
        if not brackets:
            return
        brackets = brackets.replace(b"()", b"")  # one pass takes the innermost level away
    if brackets:
        raise Failure(Kind.PROTOCOL, f"the JSON is nested deeper than {depth} levels, or is not valid")


_ABSENT: Final = msgspec.Raw()


class _Shape(msgspec.Struct):
    media_type: str = msgspec.field(default="", name="mediaType")
    schema_version: int = msgspec.field(default=0, name="schemaVersion")
    manifests: msgspec.Raw = _ABSENT
    config: msgspec.Raw = _ABSENT
    layers: msgspec.Raw = _ABSENT


def manifest_type(content: bytes, header: str, depth: int) -> str:
    """Tell the media type of a manifest; header, `mediaType` and shape have to agree. Raises Failure."""
    named = header.partition(";")[0].strip().lower()
    if named not in INDEXES | MANIFESTS:
        raise Failure(Kind.PROTOCOL, "the answer has another media type than a manifest or an index")
    require_shallow(content, depth)
    try:
        shape = msgspec.json.decode(content, type=_Shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Failure(Kind.PROTOCOL, "the manifest is no JSON of its kind") from None
    if shape.schema_version != 2:
        raise Failure(Kind.PROTOCOL, "the manifest is not of schema version 2")
    if shape.media_type and shape.media_type != named:
        raise Failure(Kind.PROTOCOL, "the manifest's mediaType is another than the answer's media type")
    # A document that could be read as either would be verified as one and run as the other (CVE-2021-41190).
    index = shape.manifests is not _ABSENT
    if index == (shape.layers is not _ABSENT or shape.config is not _ABSENT) or index != (named in INDEXES):
        raise Failure(Kind.PROTOCOL, "the manifest does not have the fields of its media type")
    return named


class _Listed(msgspec.Struct):
    digest: str
    media_type: str = msgspec.field(default="", name="mediaType")
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    artifact_type: str = msgspec.field(default="", name="artifactType")
    annotations: dict[str, str] | None = None


class _Referrers(msgspec.Struct):
    manifests: list[msgspec.Raw] | None = None


def referrers_of(content: bytes, depth: int) -> list[Descriptor]:
    """Read one page of referrers; entries that are no descriptors of sha256 content are left out. Raises Failure."""
    require_shallow(content, depth)
    try:
        page = msgspec.json.decode(content, type=_Referrers)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Failure(Kind.PROTOCOL, "the list of referrers is no JSON of its kind") from None
    found = []
    for raw in page.manifests or ():
        try:
            entry = msgspec.json.decode(raw, type=_Listed)
        except (msgspec.MsgspecError, UnicodeError):
            continue  # one entry that is broken must not hide the others
        if is_digest(entry.digest):
            found.append(
                Descriptor(entry.digest, entry.media_type, entry.size, entry.artifact_type, entry.annotations or _EMPTY)
            )
    return found

"""Signatures and attestations of an image, wherever they are, found as they are asked for.

cosign has had several homes for them, and registries add their own: referrers of the OCI 1.1 API, the index under the
tag `sha256-<hex>` where a registry has no such API, and the tags `sha256-<hex>.sig` and `.att` of cosign before version
3. All are looked at, without a switch. What a list says about its entries is a hint that decides at most the order:
each manifest is opened, and counts by its own `subject` and the media types of its layers.

Nothing here is believed: a candidate is bytes that hash to their digest, for the trust core to judge. One place or
candidate that is broken never hides another one, and a place with ten thousand entries leaves the others their turn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from app.errors import PratiqueError
from app.images.artifact import (
    FOREIGN,
    LAYER_PREDICATE_TYPE,
    NO_TEXTS,
    PREDICATE_TYPE,
    Candidate,
    Form,
    Node,
    NotLoaded,
    decode,
    form_of,
    node,
    promise,
)
from app.images.registry.content import INDEXES, Descriptor, Manifest, is_digest
from app.images.registry.credentials import CredentialSource
from app.images.registry.errors import Kind, RegistryError, plain

T = TypeVar("T")

MIB: Final = 1024 * 1024
_TURN: Final = 8
"""Candidates that one place gives before the next place has its turn."""


class Reader(Protocol):
    """What is needed of app.images.registry.Registry."""

    def manifest(
        self, context: str, reference: str, creds: CredentialSource | None, deadline: float, limit: int | None = None
    ) -> Manifest:
        """Fetch a manifest by digest or tag."""
        ...

    def blob(
        self, context: str, digest: str, creds: CredentialSource | None, deadline: float, limit: int | None = None
    ) -> bytes:
        """Fetch content by digest."""
        ...

    def referrers(
        self, context: str, digest: str, creds: CredentialSource | None, deadline: float
    ) -> list[Descriptor] | None:
        """List what refers to a digest; None without that API."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at for one image in one repository."""

    candidates: int = 64
    content: int = 16 * MIB
    """Bytes over all candidates."""
    one: int = 8 * MIB
    """Bytes of one candidate."""


@dataclass(slots=True)
class Discovery:
    """The candidates for one digest in one repository: iterate, as often as needed. For one thread."""

    registry: Reader
    context: str
    """`registry/repository` to look in."""
    digest: str
    creds: CredentialSource | None
    deadline: float
    limits: Limits = field(default_factory=Limits)
    signatures: bool = True
    """Look where only signatures are (`.sig`)."""
    attestations: bool = True
    """Look where only attestations are (`.att`)."""
    places: list[str] = field(default_factory=list)
    """Where was looked so far, for people."""
    troubles: list[PratiqueError] = field(default_factory=list)
    """What could not be looked at: there may be more than was found."""
    more: bool = False
    """The limit was reached: there is more than was looked at."""
    _found: list[Candidate] = field(default_factory=list)
    _rest: Iterator[Candidate] | None = None
    _manifests: set[str] = field(default_factory=set)
    _has_api: bool = False
    _used: int = 0

    def __iter__(self) -> Iterator[Candidate]:
        """Give all candidates, those that are known first."""
        if self._rest is None:
            self._rest = self._take_turns()
        index = 0
        while True:
            if index == len(self._found):
                following = next(self._rest, None)
                if following is None:
                    return
                self._found.append(following)
            yield self._found[index]
            index += 1

    def _take_turns(self) -> Iterator[Candidate]:
        lanes: deque[Iterator[Candidate]] = deque([self._referrers()])
        if self.signatures:
            lanes.append(self._tag(".sig", "sig-tag"))
        if self.attestations:
            lanes.append(self._tag(".att", "att-tag"))
        lanes.append(self._leftover_fallback())
        count = 0
        while lanes:
            lane = lanes.popleft()
            for _ in range(_TURN):
                if time.monotonic() >= self.deadline and self.troubles:
                    return
                candidate = next(lane, None)
                if candidate is None:
                    break
                if count == self.limits.candidates:
                    self.more = True
                    return
                count += 1
                yield candidate
            else:
                lanes.append(lane)

    # Places.

    def _referrers(self) -> Iterator[Candidate]:
        listed = self._attempt(
            "the referrers API",
            lambda: self.registry.referrers(self.context, self.digest, self.creds, self.deadline),
        )
        if listed is None:
            yield from self._fallback()
            return
        self._has_api = True
        yield from self._open_all(listed, "referrers")

    def _leftover_fallback(self) -> Iterator[Candidate]:
        """What was stored before the registry had the API, and never taken over."""
        if self._has_api:
            yield from self._fallback()

    def _fallback(self) -> Iterator[Candidate]:
        tag = self.digest.replace(":", "-")
        manifest = self._by_tag(tag)
        if manifest is None:
            return
        if manifest.media_type not in INDEXES:
            yield from self._opened(manifest, "fallback-tag", of_subject=True)
            return
        content = decode(manifest.content)
        entries = [] if content is None else [node(raw) for raw in content.manifests]
        yield from self._open_all(
            (
                Descriptor(one.digest, one.media_type, one.size, one.artifact_type, one.annotations or NO_TEXTS)
                for one in entries
                if one is not None and is_digest(one.digest)
            ),
            "fallback-tag",
        )

    def _tag(self, suffix: str, where: str) -> Iterator[Candidate]:
        manifest = self._by_tag(self.digest.replace(":", "-") + suffix)
        if manifest is not None:
            yield from self._opened(manifest, where, of_subject=False)

    def _by_tag(self, tag: str) -> Manifest | None:
        return self._attempt(
            f"the tag sha256-<hex>{tag[71:]}",
            lambda: self.registry.manifest(self.context, tag, self.creds, self.deadline),
        )

    def _attempt(self, place: str, read: Callable[[], T]) -> T | None:
        """Read from a place; one that is not there is empty, one that cannot be read is a trouble."""
        if self.troubles and time.monotonic() >= self.deadline:
            return None
        self.places.append(place)
        try:
            return read()
        except RegistryError as error:
            if error.kind is not Kind.NOT_FOUND:
                self.troubles.append(error)
        except PratiqueError as error:
            self.troubles.append(error)
        return None

    # Manifests.

    def _open_all(self, listed: Iterable[Descriptor], where: str) -> Iterator[Candidate]:
        """Open listed manifests: first those that look like sigstore's, last those that look like something else."""
        for entry in sorted(listed, key=promise):
            if entry.digest in self._manifests:
                continue
            self._manifests.add(entry.digest)
            try:
                manifest = self.registry.manifest(self.context, entry.digest, self.creds, self.deadline)
            except PratiqueError as error:
                yield self._unreadable(where, entry.artifact_type, entry.digest, error)
                continue
            yield from self._opened(manifest, where, of_subject=True)

    def _unreadable(self, where: str, kind: str, digest: str, error: PratiqueError) -> Candidate:
        if not isinstance(error, RegistryError) or error.kind in TRANSIENT:
            self.troubles.append(error)
        return Candidate(where, plain(kind, 80) or "unknown", Form.OTHER, digest, trouble=error.summary)

    def _opened(self, manifest: Manifest, where: str, *, of_subject: bool) -> Iterator[Candidate]:
        content = decode(manifest.content)
        if content is None or manifest.media_type in INDEXES:
            trouble = "it is no artifact manifest"
            yield Candidate(where, "unknown", Form.OTHER, manifest.digest, trouble=trouble)
            return
        kind = content.artifact_type or (content.config.media_type if content.config else "")
        if of_subject and (content.subject is None or content.subject.digest != self.digest):
            subject = content.subject.digest if content.subject else "nothing"
            trouble = f"its manifest refers to {plain(subject, 80)}, not to {self.digest}"
            yield Candidate(where, plain(kind, 80) or "unknown", Form.OTHER, manifest.digest, trouble=trouble)
            return
        if not content.layers:
            trouble = "its manifest has no layers"
            yield Candidate(where, plain(kind, 80) or "unknown", Form.OTHER, manifest.digest, trouble=trouble)
        for raw in content.layers:
            layer = node(raw)
            if layer is None or not is_digest(layer.digest):
                trouble = "a layer of its manifest is no descriptor"
                yield Candidate(where, plain(kind, 80) or "unknown", Form.OTHER, manifest.digest, trouble=trouble)
            else:
                yield self._candidate(layer, where, kind, content.annotations or NO_TEXTS)

    def _candidate(self, layer: Node, where: str, artifact_type: str, annotations: Mapping[str, str]) -> Candidate:
        form, kind = form_of(layer.media_type, artifact_type)
        own = layer.annotations or NO_TEXTS
        return Candidate(
            where,
            kind,
            form,
            layer.digest,
            fetch=lambda: self._content(layer),
            annotations=own,
            predicate_type=annotations.get(PREDICATE_TYPE) or own.get(LAYER_PREDICATE_TYPE) or "",
            trouble="" if form is not Form.OTHER else FOREIGN,
        )

    def _content(self, layer: Node) -> bytes:
        if not 0 < layer.size <= self.limits.one:
            raise NotLoaded(f"its size is given as {layer.size} bytes, and 1 to {self.limits.one} are read")
        if layer.size > self.limits.content - self._used:
            raise NotLoaded(f"not read: all signatures together are larger than {self.limits.content} bytes")
        content = self.registry.blob(self.context, layer.digest, self.creds, self.deadline, layer.size)
        self._used += len(content)
        return content


TRANSIENT: Final = frozenset(
    {Kind.UNREACHABLE, Kind.TIMEOUT, Kind.UNAUTHORIZED, Kind.RATE_LIMITED, Kind.REFUSED_ADDRESS, Kind.TLS}
)
"""Failures that say nothing about what would have been read; the others are the fault of what is stored."""

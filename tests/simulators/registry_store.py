"""What OciRegistry holds, and how tests put it there."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Layer:
    """One layer of an artifact."""

    content: bytes
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Repository:
    """What one repository holds."""

    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    referrers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))


class Store:
    """Repositories of manifests, blobs, tags and referrers."""

    def __init__(self, *, referrers: bool) -> None:
        self.has_referrers = referrers
        self._repositories: defaultdict[str, Repository] = defaultdict(Repository)
        self._lock = threading.RLock()

    def push_blob(self, repository: str, content: bytes) -> str:
        """Store content; gives its digest."""
        digest = digest_of(content)
        self._repositories[repository].blobs[digest] = content
        return digest

    def stored(self, repository: str, digest: str) -> bytes:
        """Bytes of a manifest."""
        return self._repositories[repository].manifests[digest][0]

    def push_manifest(self, repository: str, manifest: Any, media_type: str = MANIFEST, tag: str = "") -> str:
        """Store a manifest, as bytes or as what becomes JSON; its `subject` makes it a referrer. Gives its digest."""
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        digest = digest_of(content)
        with self._lock:
            stored = self._repositories[repository]
            stored.manifests[digest] = content, media_type
            if tag:
                stored.tags[tag] = digest
            if not isinstance(manifest, bytes) and manifest.get("subject"):
                self._refer(repository, manifest, digest, len(content), media_type)
        return digest

    def push_image(self, repository: str, tag: str = "", *, seed: str = "", architecture: str = "amd64") -> str:
        """Store an image; different seeds make different ones. Gives its digest."""
        config = json.dumps({"architecture": architecture, "os": "linux", "seed": seed}).encode()
        layer = f"layer {seed}".encode()
        return self.push_manifest(
            repository,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._blob(repository, config, CONFIG),
                "layers": [self._blob(repository, layer, LAYER)],
            },
            tag=tag,
        )

    def push_index(self, repository: str, digests: Sequence[str], tag: str = "") -> str:
        """Store an index of manifests that are stored already. Gives its digest."""
        stored = self._repositories[repository]
        entries = []
        for number, digest in enumerate(digests):
            content, media_type = stored.manifests[digest]
            platform = {"os": "linux", "architecture": ("amd64", "arm64", "s390x")[number % 3]}
            entries.append({"mediaType": media_type, "digest": digest, "size": len(content), "platform": platform})
        return self.push_manifest(
            repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX, tag
        )

    def push_artifact(
        self,
        repository: str,
        subject: str | None,
        artifact_type: str,
        layers: Sequence[Layer],
        *,
        annotations: Mapping[str, str] | None = None,
        config_type: str = EMPTY,
        tag: str = "",
    ) -> str:
        """Store an artifact, of a subject or by a tag. Gives its digest."""
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(repository, b"{}", config_type),
            "layers": [
                self._blob(repository, layer.content, layer.media_type)
                | ({"annotations": dict(layer.annotations)} if layer.annotations else {})
                for layer in layers
            ],
        }
        if artifact_type:
            manifest["artifactType"] = artifact_type
        if annotations:
            manifest["annotations"] = dict(annotations)
        if subject is not None:
            content, media_type = self._repositories[repository].manifests.get(subject, (b"", MANIFEST))
            manifest["subject"] = {"mediaType": media_type, "digest": subject, "size": len(content)}
        return self.push_manifest(repository, manifest, tag=tag)

    def tag(self, repository: str, tag: str, digest: str) -> None:
        self._repositories[repository].tags[tag] = digest

    def untag(self, repository: str, tag: str) -> None:
        self._repositories[repository].tags.pop(tag, None)

    def _blob(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.push_blob(repository, content), "size": len(content)}

    def _refer(self, repository: str, manifest: Any, digest: str, size: int, media_type: str) -> None:
        subject = manifest["subject"]["digest"]
        entry = {
            "mediaType": media_type,
            "digest": digest,
            "size": size,
            "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
            "annotations": manifest.get("annotations", {}),
        }
        entries = self._repositories[repository].referrers[subject]
        if all(known["digest"] != digest for known in entries):
            entries.append(entry)
        if not self.has_referrers:
            fallback = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
            self.push_manifest(repository, fallback, INDEX, subject.replace(":", "-"))


def digest_of(content: bytes) -> str:
    """The digest by which registries name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"

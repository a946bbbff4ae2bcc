"""A registry's other side: putting small images into one, and taking out everything that a repository holds."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any, Self

from tests.simulators.registry import CONFIG, INDEX, LAYER, MANIFEST, OciRegistry, digest_of

_ACCEPT = f"{INDEX}, {MANIFEST}"
_SECONDS = 20


@dataclass
class Contents:
    """A repository: manifests as they are, with their tags, and blobs."""

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Media type and content by digest."""
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As text: everything that cosign stores is UTF-8."""
        return {
            "tags": self.tags,
            "manifests": [[media_type, content.decode()] for media_type, content in self.manifests.values()],
            "blobs": [content.decode() for content in self.blobs.values()],
        }

    @classmethod
    def from_json(cls, tree: Any) -> Self:
        manifests = [(media_type, text.encode()) for media_type, text in tree["manifests"]]
        blobs = [text.encode() for text in tree["blobs"]]
        return cls(
            {digest_of(content): (media_type, content) for media_type, content in manifests},
            dict(tree["tags"]),
            {digest_of(content): content for content in blobs},
        )

    def load_into(self, registry: OciRegistry, repository: str) -> None:
        """Store everything in a registry of this process, byte for byte; manifests with a subject become referrers."""
        for content in self.blobs.values():
            registry.push_blob(repository, content)
        tags = {digest: tag for tag, digest in self.tags.items()}
        for digest, (media_type, content) in self.manifests.items():
            registry.push_manifest(repository, content, media_type, tags.get(digest, ""))
            tree = json.loads(content)
            if tree.get("subject") and registry.has_referrers:
                registry._refer(repository, tree, digest, len(content), media_type)


class Remote:
    """One registry by plain HTTP."""

    def __init__(self, netloc: str) -> None:
        self.netloc = netloc

    def push_image(self, repository: str, seed: str = "", tag: str = "v1") -> str:
        """Store an image, another one for each seed; gives its digest."""
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "config": {"Labels": {"seed": seed}}, "rootfs": {"type": "layers"}}
        ).encode()
        layer = f"layer {seed}".encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.push_blob(repository, config, CONFIG),
            "layers": [self.push_blob(repository, layer, LAYER)],
        }
        return self.push_manifest(repository, json.dumps(manifest).encode(), MANIFEST, tag)

    def push_blob(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        """Store content; gives its descriptor."""
        digest = digest_of(content)
        self._ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content, "application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def push_manifest(self, repository: str, content: bytes, media_type: str, tag: str = "") -> str:
        """Store a manifest by its digest or a tag; gives its digest."""
        digest = digest_of(content)
        self._ask("PUT", f"/v2/{repository}/manifests/{tag or digest}", content, media_type)
        return digest

    def put(self, repository: str, contents: Contents) -> None:
        """Store all contents of a repository; indexes last, as registries want what they list to be there."""
        for blob in contents.blobs.values():
            self.push_blob(repository, blob, "")
        tags = {digest: tag for tag, digest in contents.tags.items()}
        for digest, (media_type, content) in sorted(contents.manifests.items(), key=lambda item: item[1][0] == INDEX):
            self.push_manifest(repository, content, media_type)
            if digest in tags:
                self.push_manifest(repository, content, media_type, tags[digest])

    def take(self, repository: str, image: str) -> Contents:
        """Everything that belongs to an image: itself, tags, referrers, and their blobs."""
        found = Contents()
        _, raw = self._ask("GET", f"/v2/{repository}/tags/list")
        for tag in json.loads(raw)["tags"] or ():
            found.tags[tag] = self._take_manifest(repository, tag, found)
        listing = self._try("GET", f"/v2/{repository}/referrers/{image}")
        for entry in json.loads(listing[1])["manifests"] if listing else ():
            self._take_manifest(repository, entry["digest"], found)
        return found

    def _take_manifest(self, repository: str, reference: str, into: Contents) -> str:
        media_type, content = self._ask("GET", f"/v2/{repository}/manifests/{reference}")
        digest = digest_of(content)
        into.manifests[digest] = media_type, content
        tree = json.loads(content)
        for entry in tree.get("manifests", ()):
            self._take_manifest(repository, entry["digest"], into)
        for blob in [each for each in (tree.get("config"), *tree.get("layers", ())) if each]:
            _, into.blobs[blob["digest"]] = self._ask("GET", f"/v2/{repository}/blobs/{blob['digest']}")
        return digest

    def _ask(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> tuple[str, bytes]:
        answer = self._try(method, path, body, media_type)
        assert answer is not None, f"{self.netloc} refuses {method} {path}"
        return answer

    def _try(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> tuple[str, bytes] | None:
        """Media type and body of a success, else None."""
        connection = http.client.HTTPConnection(self.netloc, timeout=_SECONDS)
        try:
            headers = {"Accept": _ACCEPT} | ({"Content-Type": media_type} if media_type else {})
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            return (answer.getheader("Content-Type") or "", content) if answer.status < 300 else None
        finally:
            connection.close()

"""What tests of the verification share: a registry, a sigstore, images in every state, and policies about them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.images.judge import ImageRequest
from app.core.images.policy import Attestation, Authority, Identity, ImagePolicy, Key, Keyless
from app.core.images.reference import Reference
from app.images.engine import Verifier
from app.images.engine_settings import EngineSettings
from app.images.registry import Registry, RegistrySettings
from app.images.root_sources import File, Source
from app.images.roots import Roots
from tests.simulators.registry import Layer, OciRegistry
from tests.simulators.sigstore import SPDX, Sigstore, simple_signing, statement
from tests.simulators.sigstore_keys import Signer, new_key

ISSUER, SUBJECT = "https://issuer.test", "dev@example.com"
KEYLESS = Keyless((Identity(issuer=ISSUER, subject=SUBJECT),))
GOOD = Sigstore()
EVIL = Sigstore()
KEY = Signer(new_key())
OTHER_KEY = Signer(new_key())
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
PROVENANCE = "https://slsa.dev/provenance/v1"
REPOSITORY = "team/app"


def authority(by: Any = KEYLESS, **more: Any) -> Authority:
    return Authority(**{"name": "a", "by": by, **more})


def key_authority(signer: Signer = KEY, **more: Any) -> Authority:
    return authority(Key(signer.public_pem), **{"log": "ignored", **more})


def policy(*authorities: Authority, name: str = "ci", **more: Any) -> ImagePolicy:
    chosen = authorities or (authority(),)
    return ImagePolicy(**{"name": name, "images": ("**",), "authorities": chosen, "hash": f"{name}{chosen}", **more})


def wants(*types: str, by: Any = KEYLESS, **more: Any) -> ImagePolicy:
    """A policy that asks for attestations."""
    attestations = tuple(Attestation(name, name) for name in types)
    return policy(authority(by, attestations=attestations, **more))


@dataclass
class Shop:
    """A registry with images in it."""

    registry: OciRegistry
    roots: Roots
    repository: str = REPOSITORY
    client: Registry = field(init=False)

    def __post_init__(self) -> None:
        settings = RegistrySettings(hosts={"127.0.0.1": self.registry.client_settings()})
        self.client = Registry(settings)

    @property
    def context(self) -> str:
        return f"{self.registry.netloc}/{self.repository}"

    def image(self, tag: str = "v1", seed: str = "") -> str:
        return self.registry.push_image(self.repository, tag, seed=seed or tag)

    def request(self, name: str = ":v1", rule: ImagePolicy | None = None) -> ImageRequest:
        text = f"{self.context}{name}"
        return ImageRequest(Reference.parse(text), text, rule or policy())

    def bundle(self, digest: str, tree: Mapping[str, Any] | bytes | None = None, **artifact: Any) -> str:
        """Store a bundle as cosign 3 does; by default a good signature."""
        tree = GOOD.bundle(statement(digest)) if tree is None else tree
        content = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        repository = artifact.pop("repository", self.repository)
        return self.registry.push_artifact(
            repository,
            artifact.pop("subject", digest),
            artifact.pop("kind", BUNDLE),
            [Layer(content, BUNDLE)],
            **artifact,
        )

    def attest(self, digest: str, kind: str = SPDX, **more: Any) -> str:
        """Store an attestation as cosign 3 does."""
        payload = statement(digest, kind, **more)
        return self.bundle(digest, GOOD.bundle(payload))

    def layers(self, digest: str, suffix: str, *layers: Layer, repository: str = "") -> str:
        """Store layers under a tag of cosign 2."""
        tag = digest.replace(":", "-") + suffix
        return self.registry.push_artifact(repository or self.repository, None, "", layers, tag=tag)

    def legacy(self, digest: str, signer: Signer | None = None, **more: Any) -> str:
        """Store a signature as cosign 2 does."""
        return self.layers(digest, ".sig", signature_layer(digest, signer), **more)

    def verifier(self, settings: EngineSettings | None = None, registry: Any = None, **more: Any) -> Verifier:
        return Verifier(registry or self.client, self.roots, settings, **more)


def signature_layer(digest: str, signer: Signer | None = None, **options: Any) -> Layer:
    payload, annotations = GOOD.signature(simple_signing(digest), signer, **options)
    return Layer(payload, SIMPLE, annotations)


def attestation_layer(digest: str, kind: str = SPDX, signer: Signer | None = None) -> Layer:
    envelope, annotations = GOOD.attestation(statement(digest, kind), signer)
    return Layer(envelope, DSSE, {**annotations, "predicateType": kind})


def root_file(directory: Path, sigstore: Sigstore = GOOD) -> Source:
    path = directory / "trusted_root.json"
    path.write_text(json.dumps(sigstore.trusted_root()))
    return File(path)


@contextmanager
def opened(directory: Path, *, referrers: bool = True, **options: Any) -> Iterator[Shop]:
    with OciRegistry(referrers=referrers, **options) as registry:
        shop = Shop(registry, Roots({"": root_file(directory)}))
        try:
            yield shop
        finally:
            shop.client.close()

"""TrustRoot of policy.sigstore.dev/v1alpha1: the shape, and its compilation to a description for the loader.

As in policy-controller, byte fields are base64: of PEM text (certChain, publicKey), of JSON (root) or of a
gzip-compressed tar (mirrorFS).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.config import pem
from app.config.image_authority import Url, one_of
from app.config.kind import Compiling
from app.config.model import Many, Model, Resource, Text
from app.config.trust_sources import (
    CertificateChain,
    LogKey,
    SigstoreKeys,
    TrustSource,
    TufRemote,
    TufRepository,
)

MAX_SERVICES: Final = 64
_HASHES: Final = {
    "sha256": "sha256",
    "sha-256": "sha256",
    "sha384": "sha384",
    "sha-384": "sha384",
    "sha512": "sha512",
    "sha-512": "sha512",
}
_GZIP: Final = b"\x1f\x8b"


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be base64 text")  # noqa: TRY004 - pydantic collects ValueError
    if "-----BEGIN" in value:
        raise ValueError("must be the base64 encoding of the PEM text, not the PEM text itself")
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if not data:
        raise ValueError("must not be empty")
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("is not the base64 encoding of PEM text") from None


def _chain(data: bytes) -> bytes:
    pem.certificates(_text(data))
    return data


def _public_key(data: bytes) -> bytes:
    if pem.public_keys(_text(data)) != 1:
        raise ValueError("must be one public key")
    return data


def _root(data: bytes) -> bytes:
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("is not the base64 encoding of a TUF root.json") from None
    if not isinstance(root, dict) or not root.get("signatures") or not isinstance(root.get("signed"), dict):
        raise ValueError("is not a TUF root.json: it has no `signed` and `signatures`")
    if root["signed"].get("_type") != "root":
        raise ValueError("is TUF metadata, but not of type root")
    return data


def _archive(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        raise ValueError("is not the base64 encoding of a gzip-compressed tar")
    return data


def _hash(text: str) -> str:
    known = _HASHES.get(text.strip().lower())
    if known is None:
        raise ValueError("must be one of sha256, sha384, sha512")
    return known


def _required(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


Octets = Annotated[bytes, BeforeValidator(_decoded)]
Address = Annotated[Url, AfterValidator(_required)]
RootJson = Annotated[Octets, AfterValidator(_root)]


class DistinguishedName(Model):
    """Whose certificates these are."""

    organization: Annotated[str, AfterValidator(_required)]
    common_name: Annotated[str, AfterValidator(_required)] = Field(alias="commonName")


class CertificateAuthority(Model):
    """A certificate or timestamp authority."""

    subject: DistinguishedName
    uri: Address
    cert_chain: Annotated[Octets, AfterValidator(_chain)] = Field(alias="certChain")


class TransparencyLogInstance(Model):
    """A transparency or certificate log."""

    base_url: Address = Field(alias="baseURL")
    hash_algorithm: Annotated[str, AfterValidator(_hash)] = Field(alias="hashAlgorithm")
    public_key: Annotated[Octets, AfterValidator(_public_key)] = Field(alias="publicKey")


class Keys(Model):
    """`sigstoreKeys`."""

    certificate_authorities: Many[CertificateAuthority] = Field((), alias="certificateAuthorities")
    tlogs: Many[TransparencyLogInstance] = Field((), alias="tLogs")
    ctlogs: Many[TransparencyLogInstance] = Field((), alias="ctLogs")
    timestamp_authorities: Many[CertificateAuthority] = Field((), alias="timestampAuthorities")

    @model_validator(mode="after")
    def _something(self) -> Keys:
        # Logs alone are enough for keys with a log.
        services = (self.certificate_authorities, self.tlogs, self.timestamp_authorities)
        if not any(services):
            raise ValueError("needs `certificateAuthorities`, `tLogs` or `timestampAuthorities`")
        if any(len(each) > MAX_SERVICES for each in (*services, self.ctlogs)):
            raise ValueError(f"has more than {MAX_SERVICES} of a service")
        return self


class Repository(Model):
    """`repository`: TUF without a network."""

    root: RootJson
    mirror_fs: Annotated[Octets, AfterValidator(_archive)] = Field(alias="mirrorFS")
    targets: Text = ""
    trusted_root_target: Text = Field("", alias="trustedRootTarget")


class Remote(Model):
    """`remote`: TUF from a mirror."""

    root: RootJson
    mirror: Address
    targets: Text = ""
    trusted_root_target: Text = Field("", alias="trustedRootTarget")


class TrustRootSpec(Model):
    """One of three sources."""

    remote: Remote | None = None
    repository: Repository | None = None
    sigstore_keys: Keys | None = Field(None, alias="sigstoreKeys")

    @model_validator(mode="after")
    def _one(self) -> TrustRootSpec:
        one_of(self, {"remote": "remote", "repository": "repository", "sigstoreKeys": "sigstore_keys"})
        return self


class TrustRoot(Resource):
    """Whose certificates, logs and timestamps are believed."""

    spec: TrustRootSpec


def compile_root(document: TrustRoot, content: str, compiling: Compiling) -> TrustSource:
    """The description of a trust root."""
    spec = document.spec
    if spec.remote is not None:
        remote = spec.remote
        source: SigstoreKeys | TufRepository | TufRemote = TufRemote(
            remote.root,
            remote.mirror,
            remote.targets or "targets",
            remote.trusted_root_target or "trusted_root.json",
        )
    elif spec.repository is not None:
        repository = spec.repository
        source = TufRepository(
            repository.root,
            repository.mirror_fs,
            repository.targets or "targets",
            repository.trusted_root_target or "trusted_root.json",
        )
    else:
        keys = spec.sigstore_keys or Keys()
        source = SigstoreKeys(
            tuple(map(_authority, keys.certificate_authorities)),
            tuple(map(_log, keys.tlogs)),
            tuple(map(_log, keys.ctlogs)),
            tuple(map(_authority, keys.timestamp_authorities)),
        )
        if keys.certificate_authorities and not keys.ctlogs:
            compiling.warn(
                ("spec", "sigstoreKeys"),
                "has no `ctLogs`: keyless authorities that use it need `insecureIgnoreSCT: true`",
            )
    return TrustSource(document.metadata.name, source, content)


def _authority(model: CertificateAuthority) -> CertificateChain:
    return CertificateChain(model.uri, model.subject.organization, model.subject.common_name, model.cert_chain)


def _log(model: TransparencyLogInstance) -> LogKey:
    return LogKey(model.base_url, model.hash_algorithm, model.public_key)

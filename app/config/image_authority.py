"""The authorities of a ClusterImagePolicy: the shape, and what each part allows on its own.

The schema is that of sigstore's policy-controller, whole. What cannot be judged here (keys in Secrets and key
management services, CUE and Rego, policies elsewhere) is refused with the reason, as a policy that is only half in
force would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.config import cel, names, patterns, pem
from app.config.model import Flag, Many, Model, Text, Unset
from app.core.images.reference import InvalidReference, Reference

HASHES: Final = ("sha224", "sha256", "sha384", "sha512")
MAX_IDENTITIES: Final = 256
MAX_ATTESTATIONS: Final = 64
MAX_MESSAGE: Final = 1024
PREDICATES: Final = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "cyclonedx": "https://cyclonedx.org/bom",
    "link": "https://in-toto.io/Link/v1",
    "slsaprovenance": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}
"""cosign's short names of predicate types."""
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+\Z")  # noqa: TID251 - fixed and linear


def _url(text: str) -> str:
    if text:
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        except ValueError:
            good = False
        if not good:
            raise ValueError("must be a URL with http or https and a host, and without a user name")
    return text


def one_of(owner: Model, fields: Mapping[str, str], *, required: bool = True) -> None:
    """Exactly one of several fields (name in the document: attribute), or at most one. Raises ValueError."""
    given = [name for name, attribute in fields.items() if getattr(owner, attribute) not in (None, "")]
    if len(given) > 1:
        raise ValueError(f"has {' and '.join(f'`{name}`' for name in given)}; give one of them")
    if required and not given:
        raise ValueError(f"needs one of {', '.join(f'`{name}`' for name in fields)}")


Url = Annotated[Text, AfterValidator(_url)]
TrustRootName = Annotated[Text, AfterValidator(lambda text: names.dns_subdomain(text) if text else text)]
Expression = Annotated[Text, AfterValidator(patterns.expression)]


class KeyRef(Model):
    """A public key (or, for `ca-cert`, certificates): inline, in a Secret or in a key management service."""

    data: Text = ""
    secret_ref: Any = Field(None, alias="secretRef")
    kms: Text = ""
    hash_algorithm: Text = Field("", alias="hashAlgorithm")

    @field_validator("secret_ref")
    @classmethod
    def _no_secret(cls, value: object) -> None:
        if value is not None:
            raise ValueError("keys in Secrets are not supported here; put it into `data`")

    @field_validator("kms")
    @classmethod
    def _no_kms(cls, text: str) -> str:
        if text:
            raise ValueError("keys in a KMS are not supported here; put it into `data`")
        return text

    @field_validator("hash_algorithm")
    @classmethod
    def _known_hash(cls, text: str) -> str:
        name = text.strip().lower()
        if name and name not in HASHES:
            raise ValueError(f"must be one of {', '.join(HASHES)}")
        return name

    @model_validator(mode="after")
    def _inline(self) -> KeyRef:
        if not self.data.strip():
            raise ValueError("needs `data`")
        return self


class PublicKeyRef(KeyRef):
    """`key` of an authority."""

    @field_validator("data")
    @classmethod
    def _pem(cls, text: str) -> str:
        if text.strip():
            pem.public_keys(text)
        return text


class CertificateRef(KeyRef):
    """`ca-cert` of a keyless authority."""

    @field_validator("data")
    @classmethod
    def _pem(cls, text: str) -> str:
        if text.strip():
            pem.certificates(text)
        return text


class Identity(Model):
    """One permitted signer."""

    issuer: Text = ""
    issuer_reg_exp: Expression = Field("", alias="issuerRegExp")
    subject: Text = ""
    subject_reg_exp: Expression = Field("", alias="subjectRegExp")

    @model_validator(mode="after")
    def _both(self) -> Identity:
        for exact, expression in (("issuer", "issuer_reg_exp"), ("subject", "subject_reg_exp")):
            given = [bool(getattr(self, name)) for name in (exact, expression)]
            if all(given):
                raise ValueError(f"has `{exact}` and `{exact}RegExp`; give one of them")
            if not any(given):
                raise ValueError(f"needs `{exact}` or `{exact}RegExp`")
        return self


class KeylessRef(Model):
    """Signed with a certificate of Fulcio or another CA."""

    url: Url = ""
    identities: Many[Identity] = ()
    ca_cert: CertificateRef | None = Field(None, alias="ca-cert")
    trust_root_ref: TrustRootName = Field("", alias="trustRootRef")
    insecure_ignore_sct: Flag = Field(False, alias="insecureIgnoreSCT")  # noqa: FBT003 - a default

    @model_validator(mode="after")
    def _whole(self) -> KeylessRef:
        if not self.identities:
            raise ValueError("needs `identities`: without any, nobody's signature could count")
        if len(self.identities) > MAX_IDENTITIES:
            raise ValueError(f"has more than {MAX_IDENTITIES} identities")
        one_of(self, {"url": "url", "ca-cert": "ca_cert"}, required=False)
        return self


class StaticRef(Model):
    """A fixed answer."""

    action: Literal["pass", "fail"]
    message: Annotated[Text, Field(max_length=MAX_MESSAGE)] = ""


class SecretName(Model):
    """A reference to a Secret in the namespace of the object under review."""

    name: str


class Source(Model):
    """Another repository that has the signatures."""

    oci: Text = ""
    signature_pull_secrets: Many[SecretName] = Field((), alias="signaturePullSecrets")
    tag_prefix: Text = Field("", alias="tagPrefix")

    @field_validator("oci")
    @classmethod
    def _repository(cls, text: str) -> str:
        if text:
            try:
                reference = Reference.parse(text)
            except InvalidReference:
                raise ValueError("must be a repository such as `registry.example.com/signatures`") from None
            if "@" in text or ":" in text.rpartition("/")[2]:
                raise ValueError(f"must be a repository without a tag or digest: `{reference.context}`")
        return text

    @field_validator("tag_prefix")
    @classmethod
    def _no_prefix(cls, text: str) -> str:
        if text:
            raise ValueError("prefixes of signature tags are not supported here")
        return text


class TLog(Model):
    """The transparency log that must have the signature."""

    url: Url = ""
    trust_root_ref: TrustRootName = Field("", alias="trustRootRef")


class Timestamp(Model):
    """The timestamp authority that must have stamped the signature."""

    trust_root_ref: TrustRootName = Field("", alias="trustRootRef")


class Condition(Model):
    """`policy` of an attestation."""

    type: Text = ""
    data: Text = ""
    remote: Any = None
    config_map_ref: Any = Field(None, alias="configMapRef")
    fetch_config_file: Flag = Field(False, alias="fetchConfigFile")  # noqa: FBT003 - a default
    include_spec: Flag = Field(False, alias="includeSpec")  # noqa: FBT003 - a default
    include_object_meta: Flag = Field(False, alias="includeObjectMeta")  # noqa: FBT003 - a default
    include_type_meta: Flag = Field(False, alias="includeTypeMeta")  # noqa: FBT003 - a default

    @field_validator("type")
    @classmethod
    def _language(cls, text: str) -> str:
        if text in ("cue", "rego"):
            raise ValueError(
                f"{text.upper() if text == 'cue' else 'Rego'} is not supported here; write the condition in CEL "
                "(`type: cel`), or leave `policy` out if it asks for nothing but the predicateType"
            )
        if text != "cel":
            raise ValueError("must be `cel`")
        return text

    @field_validator("remote", "config_map_ref")
    @classmethod
    def _inline(cls, value: object) -> None:
        if value is not None:
            raise ValueError("is not supported here: a policy must not change unseen; write it into `data`")

    @field_validator("fetch_config_file", "include_spec", "include_object_meta", "include_type_meta")
    @classmethod
    def _no_more_input(cls, value: bool) -> bool:  # noqa: FBT001 - pydantic's signature
        if value:
            raise ValueError("is not allowed for an attestation, whose condition sees `statement` and `predicate`")
        return value

    @model_validator(mode="after")
    def _expression(self) -> Condition:
        if not self.type:
            raise ValueError("needs `type: cel` and `data`")
        try:
            cel.check(self.data)
        except ValueError as error:
            raise ValueError(f"`data` {error}") from None
        return self


class Attestation(Model):
    """A statement about the image that must exist and satisfy `policy`."""

    name: Annotated[str, Field(min_length=1, max_length=names.SUBDOMAIN_MAX)]
    predicate_type: str = Field(alias="predicateType")
    policy: Condition | None = None

    @field_validator("predicate_type")
    @classmethod
    def _full(cls, text: str) -> str:
        full = PREDICATES.get(text, text)
        if not _URI.match(full):
            raise ValueError(f"must be a URI or one of {', '.join(PREDICATES)}")
        return full


class Authority(Model):
    """Who may vouch for an image."""

    name: Annotated[Text, Field(max_length=names.SUBDOMAIN_MAX)] = ""
    key: PublicKeyRef | None = None
    keyless: KeylessRef | None = None
    static: StaticRef | None = None
    source: Many[Source] = ()
    ctlog: TLog | None = None
    attestations: Many[Attestation] = ()
    rfc3161timestamp: Timestamp | None = None
    signature_format: Annotated[Literal["legacy", "bundle"] | None, Unset] = Field(None, alias="signatureFormat")

    @model_validator(mode="after")
    def _whole(self) -> Authority:
        one_of(self, {"key": "key", "keyless": "keyless", "static": "static"})
        if self.static is not None:
            for name in ("source", "ctlog", "attestations", "rfc3161timestamp"):
                if getattr(self, name):
                    raise ValueError(f"`static` looks at no signatures, so it cannot be combined with `{name}`")
        if len(self.source) > 1:
            raise ValueError("has more than one `source`; one is supported")
        if len(self.attestations) > MAX_ATTESTATIONS:
            raise ValueError(f"has more than {MAX_ATTESTATIONS} attestations")
        return self

"""`PodSecurityConfiguration`: the file that configures Kubernetes' own Pod Security Admission, taken unchanged.

Accepted are the object itself (pod-security.admission.config.k8s.io/v1, v1beta1, v1alpha1) and the apiserver's
AdmissionConfiguration (apiserver.config.k8s.io/v1) that holds it inline or names its file. The rules are those of
k8s.io/pod-security-admission (admission/api): unknown keys are errors, absent or empty defaults mean
`privileged` and `latest`, an empty file means all defaults. All problems of a file are reported at once, each with
its line, its field and, for a misspelt word, the likely one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema

from app.config import names, problems
from app.config.yaml import Document, read_file
from app.core.version import LATEST, Level, LevelVersion, Version
from app.errors import ConfigError

GROUP: Final = "pod-security.admission.config.k8s.io"
VERSIONS: Final = ("v1", "v1beta1", "v1alpha1")
PLUGIN: Final = "PodSecurity"
_API_VERSIONS: Final = tuple(f"{GROUP}/{version}" for version in VERSIONS)
_ADMISSION_API_VERSIONS: Final = ("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1")


def _level(value: object) -> object:
    # Kubernetes replaces an empty level by the default before it validates.
    return Level.parse(value) if isinstance(value, str) and value else _empty_as(value, Level.PRIVILEGED)


def _version(value: object) -> object:
    if isinstance(value, Version):
        return value
    if isinstance(value, str) and value:
        return Version.parse(value)
    if isinstance(value, float | int) and not isinstance(value, bool):
        raise ValueError(f'must be text such as "v{value}" or "latest", not a number')  # noqa: TRY004 - see names
    return _empty_as(value, LATEST)


def _empty_as(value: object, default: object) -> object:
    if value is None or value == "":
        return default
    raise ValueError("must be text")


def _none_as_empty(value: object) -> object:
    return () if value is None else value


LevelField = Annotated[Level, BeforeValidator(_level)]
VersionField = Annotated[
    Version,
    BeforeValidator(_version),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(latest|v1\.(0|[1-9][0-9]*))$"}),
    Field(json_schema_extra={"default": "latest"}),
]


class _Model(BaseModel):
    """Frozen, and strict about what it is given: no unknown keys, no conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PodSecurityDefaults(_Model):
    """The levels and versions of namespaces without labels."""

    enforce: LevelField = Field(Level.PRIVILEGED, description="Level whose violations are refused.")
    enforce_version: VersionField = Field(LATEST, alias="enforce-version", description="`latest` or `v1.<minor>`.")
    audit: LevelField = Field(Level.PRIVILEGED, description="Level whose violations are noted in the audit log.")
    audit_version: VersionField = Field(LATEST, alias="audit-version", description="`latest` or `v1.<minor>`.")
    warn: LevelField = Field(Level.PRIVILEGED, description="Level whose violations are shown to the user.")
    warn_version: VersionField = Field(LATEST, alias="warn-version", description="`latest` or `v1.<minor>`.")

    @property
    def enforced(self) -> LevelVersion:
        """Level and version of the enforce mode."""
        return LevelVersion(self.enforce, self.enforce_version)

    @property
    def audited(self) -> LevelVersion:
        """Level and version of the audit mode."""
        return LevelVersion(self.audit, self.audit_version)

    @property
    def warned(self) -> LevelVersion:
        """Level and version of the warn mode."""
        return LevelVersion(self.warn, self.warn_version)


class PodSecurityExemptions(_Model):
    """Who and what is never judged."""

    usernames: names.Usernames = Field((), description="Authenticated names of users, exactly as they are.")
    namespaces: names.Namespaces = Field((), description="Names of namespaces.")
    runtime_classes: names.RuntimeClasses = Field((), alias="runtimeClasses", description="Names of runtime classes.")


Defaults = Annotated[PodSecurityDefaults, BeforeValidator(lambda value: {} if value is None else value)]
Exemptions = Annotated[PodSecurityExemptions, BeforeValidator(lambda value: {} if value is None else value)]


class PodSecurityConfiguration(_Model):
    """What an empty or absent file means, unless fields say otherwise."""

    api_version: Literal[_API_VERSIONS] = Field(_API_VERSIONS[0], alias="apiVersion")  # type: ignore[valid-type]
    kind: Literal["PodSecurityConfiguration"] = "PodSecurityConfiguration"
    defaults: Defaults = Field(default_factory=PodSecurityDefaults)
    exemptions: Exemptions = Field(default_factory=PodSecurityExemptions)


class _Plugin(_Model):
    name: str = ""
    path: str | None = None
    configuration: Any = None


class _AdmissionConfiguration(_Model):
    api_version: str = Field(alias="apiVersion")
    kind: Literal["AdmissionConfiguration"]
    plugins: Annotated[tuple[_Plugin, ...], BeforeValidator(_none_as_empty), Field(strict=False)] = ()


def load(path: Path | str | None) -> PodSecurityConfiguration:
    """Read a configuration file; no file and an empty one (zero bytes) give the defaults.

    Raises ConfigError, its diagnosis lists every problem as `file:line:column: field: what is wrong`.
    """
    if path is None or not str(path):
        return PodSecurityConfiguration()
    file = Path(path)
    document = _only_document(file)
    if document is None:
        return PodSecurityConfiguration()
    api_version, kind = _type_of(document, ())
    if kind == "AdmissionConfiguration":
        if api_version not in _ADMISSION_API_VERSIONS:
            raise problems.unknown_type(document, (), api_version, kind, _ADMISSION_API_VERSIONS)
        return _from_admission_configuration(document, file)
    return _parse(document, ())


def _from_admission_configuration(document: Document, file: Path) -> PodSecurityConfiguration:
    """The plugin's part of an apiserver's configuration; without one the defaults, as in the apiserver."""
    try:
        whole = _AdmissionConfiguration.model_validate(document.value)
    except ValidationError as errors:
        raise problems.explain(document, (), errors, _AdmissionConfiguration) from None
    found = [index for index, plugin in enumerate(whole.plugins) if plugin.name == PLUGIN]
    if not found:
        return PodSecurityConfiguration()
    if len(found) > 1:
        where = document.where(("plugins", found[1]))
        raise ConfigError(f"{where}: plugins[{found[1]}].name: plugin `{PLUGIN}` is configured twice")
    plugin = whole.plugins[found[0]]
    if plugin.configuration is not None:  # as in the apiserver, an inline object makes `path` irrelevant
        return _parse(document, ("plugins", found[0], "configuration"))
    if not plugin.path:
        return PodSecurityConfiguration()
    inner = _only_document(file.parent / plugin.path)
    return PodSecurityConfiguration() if inner is None else _parse(inner, ())


def _only_document(file: Path) -> Document | None:
    """The document of a file; None for an empty file."""
    documents = read_file(file, locate=True)
    if len(documents) == 1:
        return documents[0]
    if documents:
        where = documents[1].where(())
        raise ConfigError(f"{where}: a second document; a configuration file holds one")
    if file.stat().st_size:
        # Kubernetes refuses this too: a file of comments only is more likely a mistake than a wish for no policy.
        raise ConfigError(
            f"{file}: holds no object",
            f"Give `apiVersion: {_API_VERSIONS[0]}` and `kind: PodSecurityConfiguration`, or leave the file empty "
            "(zero bytes) to have the defaults.",
        )
    return None


def _parse(document: Document, root: tuple[str | int, ...]) -> PodSecurityConfiguration:
    """The object at a path of a document."""
    value: Any = document.value
    for step in root:
        value = value[step]
    api_version, kind = _type_of(document, root)
    if kind != "PodSecurityConfiguration" or api_version not in _API_VERSIONS:
        raise problems.unknown_type(document, root, api_version, kind, _API_VERSIONS)
    try:
        return PodSecurityConfiguration.model_validate(value)
    except ValidationError as errors:
        raise problems.explain(document, root, errors, PodSecurityConfiguration) from None


def _type_of(document: Document, root: tuple[str | int, ...]) -> tuple[str, str]:
    """The apiVersion and kind of the object at a path; raises ConfigError where it has none."""
    value: Any = document.value
    for step in root:
        value = value[step]
    if not isinstance(value, dict):
        raise ConfigError(f"{document.where(root)}: expected an object with `apiVersion` and `kind`")
    for field in ("apiVersion", "kind"):
        if not value.get(field) or not isinstance(value[field], str):
            raise ConfigError(
                f"{document.where((*root, field))}: `{field}` is missing or no text",
                f"A Pod Security configuration starts with `apiVersion: {_API_VERSIONS[0]}` and "
                "`kind: PodSecurityConfiguration`.",
            )
    return value["apiVersion"], value["kind"]

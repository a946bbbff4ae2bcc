"""What all policy documents have in common, as pydantic models: object metadata, label selectors, strictness.

`null` means absent for every optional field, as in Kubernetes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.config import names

T = TypeVar("T")

_LABEL_PART: Final = re.compile(  # noqa: TID251 - fixed and linear
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?\Z"
)


def sequence(value: object) -> object:
    """A list as the tuple that strict models ask for; null is an empty one."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else value


def _text(value: object) -> object:
    return "" if value is None else value


def _mapping(value: object) -> object:
    return {} if value is None else value


Many = Annotated[tuple[T, ...], BeforeValidator(sequence)]
Unset = BeforeValidator(lambda value: None if value == "" else value)
"""For optional fields where '' means absent too, as in Go."""
Text = Annotated[str, BeforeValidator(_text)]
"""Optional text: '' where absent."""
Flag = Annotated[bool, BeforeValidator(lambda value: False if value is None else value)]
Words = Annotated[dict[str, str], BeforeValidator(_mapping)]


class Model(BaseModel):
    """Frozen, and strict about what it is given: no unknown keys, no conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def name_fitting(limit: int) -> Any:
    """A DNS-1123 subdomain as the name of an object."""

    def check(text: str) -> str:
        if not text:
            raise ValueError("must not be empty")
        if len(text) > limit:
            raise ValueError(f"must be no more than {limit} characters")
        return names.dns_subdomain(text)

    return AfterValidator(check)


class ObjectMeta(Model):
    """Metadata of a Kubernetes object. Only name, namespace, labels and annotations mean anything here."""

    name: Annotated[str, name_fitting(names.SUBDOMAIN_MAX)]
    namespace: Text = ""
    labels: Words = Field(default_factory=dict)
    annotations: Words = Field(default_factory=dict)
    generate_name: Any = Field(None, alias="generateName")
    uid: Any = None
    resource_version: Any = Field(None, alias="resourceVersion")
    generation: Any = None
    creation_timestamp: Any = Field(None, alias="creationTimestamp")
    deletion_timestamp: Any = Field(None, alias="deletionTimestamp")
    deletion_grace_period_seconds: Any = Field(None, alias="deletionGracePeriodSeconds")
    owner_references: Any = Field(None, alias="ownerReferences")
    finalizers: Any = None
    managed_fields: Any = Field(None, alias="managedFields")
    self_link: Any = Field(None, alias="selfLink")


class Resource(Model):
    """A policy document; its kind's model adds `spec`."""

    api_version: str = Field(alias="apiVersion")
    kind: str
    metadata: ObjectMeta
    status: Any = None
    """What a controller wrote; never read."""


def label_key(text: str) -> str:
    """A label's key: an optional DNS subdomain and `/`, then at most 63 letters, digits and `-_.`."""
    prefix, slash, name = text.rpartition("/")
    if slash:
        names.dns_subdomain(prefix)
    if len(name) > names.LABEL_MAX or not _LABEL_PART.match(name):
        raise ValueError(f"`{text[:80]}` is no label key")
    return text


def label_value(text: str) -> str:
    """A label's value: at most 63 letters, digits and `-_.`, or empty."""
    if len(text) > names.LABEL_MAX or (text and not _LABEL_PART.match(text)):
        raise ValueError(f"`{text[:80]}` is no label value, so it would never match")
    return text


class Requirement(Model):
    """One of a selector's matchExpressions."""

    key: Annotated[str, AfterValidator(label_key)]
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Many[Annotated[str, AfterValidator(label_value)]] = ()

    @model_validator(mode="after")
    def _values_where_needed(self) -> Requirement:
        if self.operator in ("In", "NotIn") and not self.values:
            raise ValueError(f"operator {self.operator} needs `values`")
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            raise ValueError(f"operator {self.operator} takes no `values`")
        return self


class LabelSelector(Model):
    """Kubernetes' LabelSelector; an empty one selects everything."""

    match_labels: Words = Field(default_factory=dict, alias="matchLabels")
    match_expressions: Many[Requirement] = Field((), alias="matchExpressions")

    @field_validator("match_labels")
    @classmethod
    def _labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            label_key(key)
            label_value(value)
        return labels

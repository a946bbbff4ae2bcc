"""Kubernetes' rules for names, as types for pydantic models.

Sources: RFC 1123 as k8s.io/apimachinery (util/validation) applies it, and the validation of exemptions in
k8s.io/pod-security-admission. A rule that is broken raises ValueError, which pydantic collects with the field's path.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

LABEL_MAX: Final = 63
SUBDOMAIN_MAX: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\Z")  # noqa: TID251 - fixed and linear


def dns_label(text: str) -> str:
    """A DNS-1123 label: at most 63 of `a-z`, `0-9` and `-`, starting and ending with a letter or digit."""
    if len(text) > LABEL_MAX:
        raise ValueError(f"must be no more than {LABEL_MAX} characters")
    if not _LABEL.match(text):
        raise ValueError("must consist of lower case letters, digits and `-`, and start and end with a letter or digit")
    return text


def dns_subdomain(text: str) -> str:
    """A DNS-1123 subdomain: labels (of any length here, as in Kubernetes) with dots between, at most 253 characters."""
    if len(text) > SUBDOMAIN_MAX:
        raise ValueError(f"must be no more than {SUBDOMAIN_MAX} characters")
    if not all(_LABEL.match(part) for part in text.split(".")):
        raise ValueError(
            "must consist of lower case letters, digits, `-` and `.`, and start and end with a letter or digit"
        )
    return text


def username(text: str) -> str:
    """A name of a user: anything but nothing."""
    if not text:
        raise ValueError("must not be empty")
    return text


def _sequence(value: object) -> object:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(value)
    return value


def _unique(items: tuple[str, ...]) -> tuple[str, ...]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item, index) != index:
            raise PydanticCustomError("repeated", "`{item}` is listed twice", {"item": item, "index": index})
    return items


Usernames = Annotated[
    tuple[Annotated[str, AfterValidator(username)], ...], BeforeValidator(_sequence), AfterValidator(_unique)
]
Namespaces = Annotated[
    tuple[Annotated[str, AfterValidator(dns_label)], ...],
    BeforeValidator(_sequence),
    AfterValidator(_unique),
]
RuntimeClasses = Annotated[
    tuple[Annotated[str, AfterValidator(dns_subdomain)], ...],
    BeforeValidator(_sequence),
    AfterValidator(_unique),
]

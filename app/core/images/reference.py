"""Image references, read as container runtimes read them.

Grammar and defaults are those of github.com/distribution/reference (`ParseNormalizedNamed`), which the kubelet and
containerd use: a reader that differed would verify one image and let another run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from app.errors import PratiqueError

DOCKER_HUB: Final = "index.docker.io"
"""How policies and credentials name Docker Hub; references name it in three ways, or not at all."""
_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_MAX_NAME: Final = 255

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST: Final = re.compile(  # noqa: TID251 - ours; linear, as no part can match what follows it
    rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?", re.ASCII
)
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)  # noqa: TID251 - as above
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}", re.ASCII)  # noqa: TID251 - as above
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}", re.ASCII)  # noqa: TID251 - as above
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}", re.ASCII)  # noqa: TID251 - as above


class InvalidReference(PratiqueError):  # noqa: N818 - what it is, not that it is one
    """Text that no container runtime would pull."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to an image in a registry, with every default filled in."""

    registry: str
    """Host and port, in lower case; Docker Hub is always `index.docker.io`."""
    repository: str
    """Such as `library/nginx`."""
    tag: str
    """Empty only where a digest is given without a tag."""
    digest: str
    """`sha256:` and 64 hexadecimal digits; empty where there is none. It decides what is pulled, whatever the tag."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what stands in a container's `image`. Raises InvalidReference."""
        return cls(*_parts(text))

    @property
    def context(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def name(self) -> str:
        """The full name by which policies match: with the digest where there is one, else with the tag."""
        return f"{self.context}@{self.digest}" if self.digest else f"{self.context}:{self.tag}"

    def at(self, digest: str) -> Self:
        """Give the same image pinned to a digest."""
        return type(self)(self.registry, self.repository, self.tag, digest)


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[str, str, str, str]:
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "the digest is not sha256 and 64 lower-case hexadecimal digits")
    if _IDENTIFIER.fullmatch(rest):
        raise _invalid(text, "a bare image id is no reference")
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    tag = ""
    if colon > slash:
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise _invalid(text, "the tag is not valid")
    registry, repository = _split(rest)
    if not _HOST.fullmatch(registry):
        raise _invalid(text, "the registry is not a host name")
    if not _PATH.fullmatch(repository):
        raise _invalid(text, "the repository is not in lower case, or has characters that none may have")
    if len(repository) > _MAX_NAME:
        raise _invalid(text, f"the repository is longer than {_MAX_NAME} characters")
    return registry, repository, tag or ("" if digest else "latest"), digest


def _split(name: str) -> tuple[str, str]:
    """Tell the registry from the repository: a first part that could be no user of Docker Hub is a host."""
    first, slash, rest = name.partition("/")
    if not slash or not (any(mark in first for mark in ".:") or first == "localhost" or first != first.lower()):
        registry, repository = DOCKER_HUB, name
    else:
        registry, repository = first.lower(), rest
    if registry in _HUB_NAMES:
        registry = DOCKER_HUB
        if "/" not in repository:
            repository = f"library/{repository}"
    return registry, repository


def _invalid(text: str, reason: str) -> InvalidReference:
    shown = text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}..."
    return InvalidReference(f"{shown!a} is no image reference: {reason}")

"""Docker's config.json, Kubernetes' pull secrets of both types, and their keys as the kubelet matches them."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from app.core.images.reference import DOCKER_HUB
from app.errors import PratiqueError
from app.images.registry.content import require_shallow
from app.images.registry.credentials import Credential
from app.images.registry.errors import Failure, plain

T = TypeVar("T")

_LARGEST: Final = 1024 * 1024  # as a Secret
_DEPTH: Final = 16
_HUB: Final = frozenset({"docker.io", DOCKER_HUB, "registry-1.docker.io"})
SECRET_TYPES: Final = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
"""Types of pull secrets, with the key of their data that counts."""


class InvalidCredentials(PratiqueError):  # noqa: N818 - what they are
    """A pull secret or docker configuration that cannot be read; never repeats what it holds."""


class _Entry(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = msgspec.field(default=None, name="identitytoken")
    registry_token: str | None = msgspec.field(default=None, name="registrytoken")


class _Config(msgspec.Struct):
    auths: dict[str, _Entry] | None = None


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """Credentials by registry. Credential helpers and stores that a file may name are not run: a cluster has none."""

    entries: tuple[tuple[str, Credential], ...] = ()
    """Keys without scheme and API version, the most specific first."""

    @classmethod
    def parse(cls, content: bytes, source: str) -> Self:
        """Read a config.json (`kubernetes.io/dockerconfigjson`). Raises InvalidCredentials, which names `source`."""
        return cls._of(_decode(content, _Config, source).auths or {}, source)

    @classmethod
    def parse_dockercfg(cls, content: bytes, source: str) -> Self:
        """Read the older form (`kubernetes.io/dockercfg`). Raises InvalidCredentials, which names `source`."""
        return cls._of(_decode(content, dict[str, _Entry], source), source)

    @classmethod
    def of_secret(cls, kind: str, data: Mapping[str, bytes], source: str) -> Self:
        """Read a Secret's type and decoded data. Raises InvalidCredentials, which names `source`."""
        key = SECRET_TYPES.get(kind)
        if key is None:
            raise InvalidCredentials(f"{source} is of type {plain(kind, 80)}, which is none of a pull secret")
        content = data.get(key)
        if content is None:
            raise InvalidCredentials(f"{source} has no {key}")
        return cls.parse(content, source) if key == ".dockerconfigjson" else cls.parse_dockercfg(content, source)

    @classmethod
    def _of(cls, auths: Mapping[str, _Entry], source: str) -> Self:
        found: list[tuple[str, Credential]] = []
        for key, entry in auths.items():
            credential = _credential(entry, source, key)
            if credential is not None:
                found.append((_normalised(key), credential))
        # As the kubelet does: in reverse order of their keys, so that a longer path of a host comes before a shorter
        # one and globs come last. Sorting is stable: of equal keys the first one wins.
        found.sort(key=lambda item: item[0], reverse=True)
        return cls(tuple(found))

    def candidates(self, context: str) -> Sequence[Credential]:
        """Credentials whose key matches `registry/repository`."""
        return list(dict.fromkeys(credential for key, credential in self.entries if _matches(key, context)))


class DockerConfigFile:
    """A config.json that is read anew when it changes, such as a mounted Secret."""

    def __init__(self, path: Path) -> None:
        """The file is read when credentials are first asked for."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._config = DockerConfig()

    def candidates(self, context: str) -> Sequence[Credential]:
        """Give the file's credentials for `registry/repository`. Raises InvalidCredentials."""
        with self._lock:
            try:
                status = os.stat(self._path)  # noqa: PTH116 - what follows links that a kubelet swaps
                seen = (status.st_mtime_ns, status.st_size, status.st_ino)
                if seen != self._seen:
                    self._config = DockerConfig.parse(self._path.read_bytes(), f"the file {self._path.name}")
                    self._seen = seen
            except OSError as trouble:
                reason = trouble.strerror or type(trouble).__name__
                raise InvalidCredentials(f"the file {self._path.name} cannot be read: {reason}") from None
            config = self._config
        return config.candidates(context)


def _decode(content: bytes, kind: type[T], source: str) -> T:
    if len(content) > _LARGEST:
        raise InvalidCredentials(f"{source} is larger than {_LARGEST} bytes")
    try:
        require_shallow(content, _DEPTH)
        return msgspec.json.decode(content, type=kind)
    except (Failure, msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidCredentials(f"{source} is no JSON of registry credentials") from None


def _credential(entry: _Entry, source: str, key: str) -> Credential | None:
    username, password = entry.username or "", entry.password or ""
    if entry.auth and entry.auth.strip():
        username, colon, password = _plain_auth(entry.auth.strip()).partition(":")
        if not colon:
            raise InvalidCredentials(f"{source}: auth of {plain(key, 120)} is not base64 of user:password")
        password = password.strip("\0")
    credential = Credential(username, password, entry.identity_token or "", entry.registry_token or "")
    if not all("!" <= character <= "~" for character in credential.registry_token):
        raise InvalidCredentials(f"{source}: registrytoken of {plain(key, 120)} is no token")
    return credential if credential.secrets else None


def _plain_auth(text: str) -> str:
    """Decode with or without padding; what is no base64 has no colon either."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _normalised(key: str) -> str:
    rest = key.partition("://")[2] if key.startswith(("http://", "https://")) else key
    host, _, path = rest.partition("/")
    if path in {"v1", "v2"} or path.startswith(("v1/", "v2/")):
        path = path[3:]
    host = host.lower()
    if host in _HUB:
        host = DOCKER_HUB
    return f"{host}/{path}" if path.strip("/") else host


def _matches(key: str, context: str) -> bool:
    """Whether host and port match, label by label with globs, and the path is a prefix: `a/b` also matches `a/bc`."""
    key_host, _, key_path = key.partition("/")
    host, _, path = context.partition("/")
    key_name, _, key_port = key_host.partition(":")
    name, _, port = host.partition(":")
    key_labels, labels = key_name.split("."), name.split(".")
    return (
        key_port == port
        and path.startswith(key_path)
        and len(key_labels) == len(labels)
        and all(fnmatch.fnmatchcase(label, glob) for glob, label in zip(key_labels, labels, strict=True))
    )

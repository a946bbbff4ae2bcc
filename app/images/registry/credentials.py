"""Credentials for registries: what they are, where they come from, and an identity that caches may use."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

_IDENTITY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """One way to log in. Its text never shows what is secret."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    """An OAuth2 refresh token, exchanged at the registry's token service."""
    registry_token: str = ""
    """A bearer token that is sent as it is."""

    def __repr__(self) -> str:
        return f"Credential({self.identity[:8]})"

    @property
    def identity(self) -> str:
        """Equal for equal credentials, in every replica. A hash, but of what may be guessable: never log it."""
        parts = (self.username, self.password, self.identity_token, self.registry_token)
        encoded = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return hashlib.blake2b(encoded, digest_size=_IDENTITY_BYTES, person=b"registry-creds").hexdigest()

    @property
    def basic(self) -> str:
        """The value of an Authorization header; '' where there is no user name and password."""
        if not self.username or not self.password:
            return ""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode('ascii')}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that may stand in no error and no log."""
        encoded = self.basic.removeprefix("Basic ")
        return tuple(filter(None, (self.password, self.identity_token, self.registry_token, encoded)))


class CredentialSource(Protocol):
    """Where credentials come from: a pod's pull secrets, a file, a cloud. Called in threads."""

    def candidates(self, context: str) -> Sequence[Credential]:
        """Credentials for `registry/repository`, the best first; none means anonymous.

        May raise RegistryError, and InvalidCredentials where what it reads cannot be used.
        """
        ...


class Anonymous:
    """No credentials."""

    def candidates(self, context: str) -> Sequence[Credential]:  # noqa: ARG002 - the protocol's
        """Give none."""
        return ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Several sources, the first asked first; what two of them give counts once."""

    sources: tuple[CredentialSource, ...]

    def candidates(self, context: str) -> Sequence[Credential]:
        """Give the candidates of all, in order."""
        found = (credential for source in self.sources for credential in source.candidates(context))
        return list(dict.fromkeys(found))


def identity(candidates: Sequence[Credential]) -> str:
    """What a cache has to tell apart: who can see something. '' for anonymous access."""
    if not candidates:
        return ""
    joined = ",".join(candidate.identity for candidate in candidates)
    return hashlib.blake2b(joined.encode(), digest_size=_IDENTITY_BYTES, person=b"registry-chain").hexdigest()

"""One call of a caller: its name, its deadline, and the secrets that its error must not repeat."""

from __future__ import annotations

import time
from typing import Final

from app.images.registry.errors import Failure, Kind, RegistryError, plain

_SHORTEST: Final = 4
"""Shorter secrets are not blanked: they would blank half of the text, and are no secrets."""


class Operation:
    """Passed along everything that one call does; used by one thread."""

    def __init__(self, registry: str, name: str, deadline: float) -> None:
        """`name` is what stands in errors, `deadline` a value of time.monotonic."""
        self.registry = registry
        self.name = name
        self.deadline = deadline
        self.started = time.monotonic()
        self._secrets: set[str] = set()

    def left(self) -> float:
        """Seconds until the deadline; negative past it."""
        return self.deadline - time.monotonic()

    def require_time(self) -> None:
        """Raise Failure once the deadline has passed."""
        if self.left() <= 0:
            raise Failure(Kind.TIMEOUT, "no answer in time")

    def hide(self, *secrets: str) -> None:
        """Keep these out of this call's errors, in whatever case a peer returns them."""
        self._secrets.update(secret.lower() for secret in secrets if len(secret) >= _SHORTEST)

    def error(self, failure: Failure) -> RegistryError:
        """Give the caller's exception for a failed step."""
        return RegistryError(
            failure.kind,
            self.registry,
            self.name,
            self._blank(plain(failure.detail)),
            hint=self._blank(plain(failure.hint)),
            status=failure.status,
            seconds=time.monotonic() - self.started,
        )

    def _blank(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            while (at := text.lower().find(secret)) >= 0:
                text = f"{text[:at]}***{text[at + len(secret) :]}"
        return text

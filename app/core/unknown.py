"""A failed look-up, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    """A look-up that failed: judging decides what that means, silence never allows."""

    cause: str
    """One line for the user, without credentials: what was asked and why there is no answer."""

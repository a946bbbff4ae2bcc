"""When a service of the trust root may be believed: a closed interval, as sigstore's TimeRange says."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.images.trust import strict
from app.images.trust.errors import Code, refuse


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both included; None is no bound."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None

    @classmethod
    def from_json(cls, owner: Mapping[str, Any], what: str) -> "Window":
        """Read the `validFor` of `owner`. Without one there is no bound; with one its start is mandatory."""
        if owner.get("validFor") is None:
            return cls()
        node = strict.mapping(owner, "validFor", what)
        if "start" not in node:
            refuse(Code.FORMAT, f"{what} has a validFor without a start")
        end = node.get("end")
        return cls(
            start=strict.timestamp(node["start"], f"{what}: start"),
            end=None if end is None else strict.timestamp(end, f"{what}: end"),
        )

    def holds(self, when: dt.datetime) -> bool:
        """Whether the service was to be believed at that time."""
        return (self.start is None or self.start <= when) and (self.end is None or when <= self.end)

    def __str__(self) -> str:
        start = f"{self.start:%Y-%m-%d}" if self.start else "ever"
        return f"from {start} to {self.end:%Y-%m-%d}" if self.end else f"from {start} on"

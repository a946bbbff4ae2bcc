"""One broken rule at one place, as data: text is made from it at the edge by `message`."""

from __future__ import annotations

import json
from typing import NamedTuple

_SHOWN = 80


class Finding(NamedTuple):
    """What a check saw at one field of the object that was sent."""

    check: str
    """Id of the check, such as `host-ports`."""
    path: str
    """Field path in the object as sent, such as `spec.template.spec.containers[0].securityContext.privileged`."""
    value: str
    """What is there, as `shown` renders it; `not set` for an absent field."""
    expected: str
    """What must be there, to be read after "must": `be false or unset`."""
    fix: str
    """The YAML that mends it at `path`'s last field, or a sentence where no single line does."""
    container: str = ""
    """Name of the container it is about, if any."""
    volume: str = ""
    """Name of the volume it is about, if any."""


def shown(value: object) -> str:
    """Render a value from the request for people: JSON, ASCII, one line, at most 80 characters."""
    if value is None:
        return "not set"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

"""Go's durations, in which the apiserver writes how long it waits (`?timeout=10s`, `1m30s`, `500ms`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|ms|s|m|h)", re.ASCII)  # noqa: TID251 - ours; linear
_LONGEST: Final = 64


@lru_cache(maxsize=256)
def seconds_of(text: str) -> float | None:
    """Read a positive duration; None where the text is none."""
    if not text or len(text) > _LONGEST:
        return None
    total, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return total if total > 0 else None

"""The platforms of an image index."""

from __future__ import annotations

import msgspec

from app.images.registry.content import is_digest


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""


class _Entry(msgspec.Struct):
    digest: str
    platform: _Platform | None = None


class _Index(msgspec.Struct):
    manifests: list[_Entry]


def platforms(content: bytes) -> tuple[str, ...]:
    """The manifests that a node may run; () where an entry cannot be told. Nothing runs on platform unknown/unknown."""
    try:
        entries = msgspec.json.decode(content, type=_Index).manifests
    except (msgspec.MsgspecError, UnicodeError):
        return ()
    if not all(is_digest(entry.digest) for entry in entries):
        return ()
    runnable = (
        entry.digest
        for entry in entries
        if entry.platform is None or (entry.platform.os, entry.platform.architecture) != ("unknown", "unknown")
    )
    return tuple(dict.fromkeys(runnable))

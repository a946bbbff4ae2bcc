"""WWW-Authenticate, read without trust: what a registry asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 8192
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme that would be accepted; `realm` is a URL for bearer tokens."""

    scheme: str
    realm: str = ""
    service: str = ""


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read the challenges `Basic` and `Bearer`, in order; others, and what is malformed, are left out."""
    found = []
    for header in headers:
        if len(header) <= _LONGEST:
            for scheme, parameters in _schemes(header):
                if scheme in {"basic", "bearer"}:
                    found.append(Challenge(scheme, parameters.get("realm", ""), parameters.get("service", "")))
    return found


def _schemes(header: str) -> list[tuple[str, dict[str, str]]]:
    """Split a header that may hold several challenges: a word without `=` begins one, `name=value` belongs to it."""
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        if header[at] in " \t,":
            at += 1
            continue
        start = at
        while at < len(header) and header[at] in _TOKEN:
            at += 1
        word = header[start:at].lower()
        if not word:
            break
        if header[at : at + 1] != "=":
            found.append((word, {}))
            continue
        value, at = _value(header, at + 1)
        if found:
            found[-1][1].setdefault(word, value)
    return found


def _value(header: str, at: int) -> tuple[str, int]:
    """Give a parameter's value, quoted or not, and the place behind it."""
    if header[at : at + 1] != '"':
        end = at
        while end < len(header) and header[end] not in " \t,":
            end += 1
        return header[at:end], end
    value = []
    at += 1
    while at < len(header) and header[at] != '"':
        if header[at] == "\\":
            at += 1
        value.append(header[at : at + 1])
        at += 1
    return "".join(value), at + 1

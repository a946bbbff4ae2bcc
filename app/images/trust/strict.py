"""Reading foreign JSON and base64 so that there is one way to read them: what was checked is what is used."""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from app.images.trust.errors import Code, refuse, show

MAX_DEPTH = 128
"""Deepest nesting of a document; the libraries behind allow about 200 and recursion in the interpreter about 1000."""
MAX_U64 = 2**64 - 1
LATEST = 253_402_300_799
"""The last second that `datetime` can hold (9999-12-31T23:59:59Z)."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        refuse(Code.FORMAT, f"JSON key {show(twice)} occurs twice in one object")
    return made


def _constant(name: str) -> Any:
    refuse(Code.FORMAT, f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, strict=True)


def document(raw: bytes | str, what: str) -> dict[str, Any]:
    """Parse one JSON object. UTF-8 only, no duplicate keys, no NaN, bounded depth and numbers.

    Raises:
        TrustError: with code `format`.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = _DECODER.decode(text)
    except RecursionError:
        refuse(Code.FORMAT, f"{what} is nested too deeply")
    except ValueError as error:
        refuse(Code.FORMAT, f"{what} is not JSON: {show(error)[1:-1]}")
    if not isinstance(value, dict):
        refuse(Code.FORMAT, f"{what} is not a JSON object")
    if _too_deep(value):
        refuse(Code.FORMAT, f"{what} is nested deeper than {MAX_DEPTH} levels")
    return value


def _too_deep(root: dict[str, Any]) -> bool:
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def known(node: Mapping[str, Any], fields: frozenset[str], what: str) -> None:
    """Refuse fields that are not `fields`: one that we do not know may change the meaning of those that we do."""
    if not node.keys() <= fields:
        extra = sorted(node.keys() - fields)
        refuse(Code.FORMAT, f"{what} has an unknown field {show(extra[0])}")


def mapping(node: Mapping[str, Any], name: str, what: str) -> dict[str, Any]:
    """The object at `name`, which must be there."""
    value = node.get(name)
    if not isinstance(value, dict):
        refuse(Code.FORMAT, f"{what} has no object {name}")
    return value


def items(node: Mapping[str, Any], name: str, what: str, limit: int) -> list[dict[str, Any]]:
    """The list of objects at `name`; [] if it is absent."""
    value = node.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        refuse(Code.FORMAT, f"{what}: {name} is not a list of objects")
    if len(value) > limit:
        refuse(Code.FORMAT, f"{what}: {name} has {len(value)} items, more than {limit}")
    return value


def text(node: Mapping[str, Any], name: str, what: str) -> str:
    """The non-empty string at `name`."""
    value = node.get(name)
    if not isinstance(value, str) or not value:
        refuse(Code.FORMAT, f"{what} has no text {name}")
    return value


def octets(node: Mapping[str, Any], name: str, what: str) -> bytes:
    """The bytes that the base64 text at `name` stands for."""
    return unbase64(text(node, name, what), f"{what}: {name}")


def unbase64(value: str, what: str) -> bytes:
    """Decode standard, padded, canonical base64: each byte string has one spelling only."""
    try:
        raw = base64.b64decode(value.encode("ascii"), validate=True)
    except ValueError:
        refuse(Code.FORMAT, f"{what} is not base64")
    if base64.b64encode(raw).decode() != value:
        refuse(Code.FORMAT, f"{what} is not canonical base64")
    return raw


def number(node: Mapping[str, Any], name: str, what: str) -> int:
    """The unsigned 64-bit number at `name`: decimal text in protobuf's JSON, a number in cosign's annotations."""
    value = node.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_U64:
        refuse(Code.FORMAT, f"{what}: {name} is not an unsigned number")
    return value


def moment(seconds: int, what: str) -> dt.datetime:
    """Seconds since 1970 as an aware time."""
    if not 0 <= seconds <= LATEST:
        refuse(Code.FORMAT, f"{what} is not a time")
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def timestamp(value: Any, what: str) -> dt.datetime:
    """An RFC 3339 time with a zone."""
    try:
        parsed = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        refuse(Code.FORMAT, f"{what} is not a time")
    if parsed.tzinfo is None:
        refuse(Code.FORMAT, f"{what} has no time zone")
    return parsed

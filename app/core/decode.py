"""Bytes to structs, losing nothing unseen.

A JSON object may repeat a key. Parsers then differ in which value they keep, and a webhook that keeps another one than
the apiserver judges another pod. So what was decoded is encoded again: with every field of the API declared, equal
lengths mean that no key was repeated and none is unknown. Only where lengths differ (an unknown field, white space, a
null, an escaped character) is the text read once more, slowly, to look for repeated keys.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from app.core.envelope import AdmissionReview
from app.errors import MalformedReview

T = TypeVar("T")

_review = msgspec.json.Decoder(AdmissionReview)
_encode = msgspec.json.Encoder().encode
_ESCAPED = (b"\\u003c", b"\\u003e", b"\\u0026")
_OF_STRINGS = frozenset({"labels", "annotations", "add", "drop"})


def decode_review(body: bytes) -> AdmissionReview:
    """Read the body of a request.

    Raises MalformedReview: it is empty, no UTF-8 JSON, nested too deeply, has repeated keys or fields of a wrong type.
    """
    return decode(_review, body, "AdmissionReview")


def decode(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw, what: str) -> T:
    """Read `text` as the decoder's type; `what` names it in errors.

    Raises MalformedReview: it is no UTF-8 JSON, nested too deeply, has repeated keys or fields of a wrong type.
    """
    try:
        value = decoder.decode(text)
        encoded = _encode(value)
        if len(encoded) != len(memoryview(text)) and not _lossless(encoded, bytes(memoryview(text))):
            _refuse_repeated_keys(bytes(memoryview(text)), what)
    except msgspec.ValidationError as error:
        return _decode_with_nulls(decoder, bytes(memoryview(text)), what, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{what} is not valid JSON: {error}"
        raise MalformedReview(msg) from None
    except RecursionError:
        msg = f"{what} is nested too deeply"
        raise MalformedReview(msg) from None
    return value


def _lossless(encoded: bytes, text: bytes) -> bool:
    """Whether lengths differ only by what Go writes otherwise: a last line feed, and `<`, `>`, `&` in six bytes.

    Just these escapes, since each is five bytes longer than what it stands for. Were those counted that are only four
    bytes longer, enough of them could make up for a member that was dropped.
    """
    more = len(text.removesuffix(b"\n")) - len(encoded)
    return more == 0 or (more > 0 and more == 5 * sum(text.count(each) - encoded.count(each) for each in _ESCAPED))


def _decode_with_nulls(decoder: msgspec.json.Decoder[T], text: bytes, what: str, reason: str) -> T:
    """Read objects in which null stands for a zero value, as Kubernetes does, or give up with the first reason."""
    try:
        _refuse_repeated_keys(text, what)
        return decoder.decode(_encode(_without_nulls(msgspec.json.decode(text))))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        msg = f"{what} does not have the fields of its kind: {reason}"
        raise MalformedReview(msg) from None
    except RecursionError:
        msg = f"{what} is nested too deeply"
        raise MalformedReview(msg) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _with_empty_strings(member) if key in _OF_STRINGS else _without_nulls(member)
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [{} if member is None else _without_nulls(member) for member in value]
    return value


def _with_empty_strings(value: Any) -> Any:
    """Keep every member of a map or list of strings: a label or a capability that is null is there, and empty."""
    if isinstance(value, list):
        return ["" if member is None else member for member in value]
    if isinstance(value, dict):
        return {key: "" if member is None else member for key, member in value.items()}
    return value


def _refuse_repeated_keys(text: bytes, what: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    msg = f"{what} repeats the key {json.dumps(key[:64])} in one object"
                    raise MalformedReview(msg)
                seen.add(key)
        return members

    try:
        json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        msg = f"{what} is not valid JSON: {error}"
        raise MalformedReview(msg) from None

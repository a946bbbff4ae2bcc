"""What an unquoted YAML word means to kubectl: the resolution rules of go-yaml v2 followed by Go's JSON encoder.

kubectl turns every manifest into JSON with sigs.k8s.io/yaml. Its words are neither PyYAML's nor those of YAML 1.2:
`y`, `on` and `No` are booleans, `010` and `0o10` are eight, `08` is eight as well (a float), `1:30` and dates stay
text, and `1.0` reaches the apiserver as the integer 1. Integers outside 64 bits become floats, as they do in
apimachinery's unstructured objects.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from functools import lru_cache
from math import inf, isinf, isnan, nan
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

STR: Final = "tag:yaml.org,2002:str"
BOOL: Final = "tag:yaml.org,2002:bool"
INT: Final = "tag:yaml.org,2002:int"
FLOAT: Final = "tag:yaml.org,2002:float"
NULL: Final = "tag:yaml.org,2002:null"
TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
BINARY: Final = "tag:yaml.org,2002:binary"
MERGE: Final = "tag:yaml.org,2002:merge"

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

# A word that starts with any other character is text, whatever follows.
MEANINGFUL_FIRST: Final = frozenset("+-0123456789.yYnNtTfFoO~")

_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf),
}
# Fixed patterns without nested repetition: linear in the text.
_DIGITS: Final = re.compile(  # noqa: TID251
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))\Z"
)
_SIGN_AFTER_PREFIX: Final = re.compile(r"0b([-+][01]+)\Z")  # noqa: TID251 - go-yaml reads `0b-101` as -5
_FLOAT: Final = re.compile(  # noqa: TID251
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
)
_FRACTION: Final = re.compile(  # noqa: TID251 - Go's own parser, which wants single underscores between digits
    r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?\Z"
)
_TIMESTAMP: Final = re.compile(  # noqa: TID251
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?\Z"
)
_LONGEST_NUMBER: Final = 66  # a sign, a prefix and 64 binary digits; longer runs are floats or text


class UnreadableScalar(ValueError):  # noqa: N818 - reads as what it is where it is raised
    """A scalar that kubectl refuses; the text says why and names no position."""


def resolve(text: str) -> Scalar:
    """The Go value of a plain word: a float stays a float here, see `as_json` for what JSON makes of it."""
    if not text:
        return None
    first = text[0]
    if first not in MEANINGFUL_FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if first == ".":
        return _float(text.replace("_", ""), text) if _FRACTION.match(text) else text
    if first in "+-0123456789":
        return _number(text)
    return text


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_NUMBER:
        value = _integer(plain)
        if value is not None:
            return value
    return _float(plain, text)


def _integer(plain: str) -> int | None:
    match = _DIGITS.match(plain)
    if match is None:
        signed = _SIGN_AFTER_PREFIX.match(plain)
        return int(signed[1], 2) if signed else None
    sign, hexadecimal, binary, octal, decimal = match.groups()
    if hexadecimal:
        value = int(hexadecimal, 16)
    elif binary:
        value = int(binary, 2)
    elif octal:
        value = int(octal, 8)
    else:
        value = int(decimal)
    if sign == "-":
        return -value if -value >= INT64_MIN else None
    # An explicit plus sign is refused by Go's unsigned parser, so such a word has 63 bits only.
    return value if value <= (INT64_MAX if sign else UINT64_MAX) else None


def _float(number: str, otherwise: str) -> float | str:
    if _FLOAT.match(number):
        value = float(number)
        if not isinf(value):  # out of range: go-yaml falls back to text
            return value
    return otherwise


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag such as `!!int`; unknown tags leave text as it is.

    Raises UnreadableScalar when the text is not of the tagged type.
    """
    if tag == BINARY:
        return _decode_base64(text)
    if tag == TIMESTAMP:
        if _TIMESTAMP.match(text):
            return text
    elif tag not in {BOOL, INT, FLOAT, NULL}:
        return text
    else:
        value = resolve(text)
        if tag == FLOAT and type(value) is int and value <= INT64_MAX:
            return float(value)
        if type(value) is {BOOL: bool, INT: int, FLOAT: float, NULL: type(None)}[tag]:
            return value
    raise UnreadableScalar(f"`{_shorten(text)}` is not a {tag.rpartition(':')[2]}, which its tag says it is")


def as_json(value: Scalar) -> Scalar:
    """What is left of a Go value after JSON: integral floats are integers, integers beyond 64 bits are floats.

    Raises UnreadableScalar for infinities and NaN, which JSON cannot hold.
    """
    if type(value) is float:
        if isinf(value) or isnan(value):
            raise UnreadableScalar(f"`{_go_float(value)}` cannot be written as JSON, so Kubernetes has no such value")
        if value.is_integer():
            digits = _written_out(value)
            if INT64_MIN <= digits <= INT64_MAX:
                return digits
    elif type(value) is int and value > INT64_MAX:
        return float(value)
    return value


def _written_out(value: float) -> int:
    """An integral float as its shortest digits filled up with zeros, which is how Go's JSON encoder writes it."""
    digits, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = digits.partition(".")
    # An exponent appears from 1e16 on, beyond all of a float's digits.
    number = int((whole + fraction).ljust(int(exponent) + 1, "0")) if exponent else int(whole)
    return -number if value < 0 else number


def as_key(value: Scalar) -> str:
    """The JSON key that a Go value becomes: `1: x` and `on: x` have the keys "1" and "true".

    Raises UnreadableScalar for null and for integers that need an unsigned type.
    """
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int and value <= INT64_MAX:
        return str(value)
    if type(value) is float:
        return _go_float(value)
    raise UnreadableScalar("null cannot be a key" if value is None else f"`{value}` is too large for a key")


@lru_cache(maxsize=1024)
def plain_value(text: str) -> Scalar:
    """`as_json(resolve(text))`, remembered: manifests repeat few words."""
    return as_json(resolve(text))


def _go_float(value: float) -> str:
    """Go's shortest text of the nearest 32-bit float, which sigs.k8s.io/yaml writes for float keys."""
    try:
        single: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = inf if value > 0 else -inf
    if isnan(single):
        return ".nan"
    if isinf(single):
        return ".inf" if single > 0 else "-.inf"
    # Nine digits tell all 32-bit floats apart.
    shortest = next((text for n in range(8) if _is_single(text := f"{single:.{n}e}", single)), f"{single:.8e}")
    mantissa, _, exponent = shortest.partition("e")
    digits = mantissa.lstrip("-").replace(".", "")
    power = int(exponent)
    sign = "-" if mantissa.startswith("-") else ""
    # Where Go picks the precision itself, it switches to an exponent below 1e-4 and from 1e6 on.
    if power < -4 or power >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole = digits[: power + 1].ljust(power + 1, "0")
    rest = digits[power + 1 :]
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def _is_single(text: str, single: float) -> bool:
    try:
        return bool(struct.unpack("f", struct.pack("f", float(text)))[0] == single)
    except OverflowError:
        return False


def _decode_base64(text: str) -> str:
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableScalar("`!!binary` text is not base64") from None
    # Go's JSON encoder writes one replacement character for each byte that is not UTF-8.
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."

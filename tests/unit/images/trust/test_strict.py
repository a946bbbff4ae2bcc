"""One way to read JSON, base64 and numbers."""

import json
import time

import pytest

from app.images.trust import Code, strict
from app.images.trust.errors import SHOWN, TrustError, cause, fence, fenced, show
from tests.unit.images.trust.world import refused

BAD_DOCUMENTS = {
    "empty": b"",
    "list": b"[]",
    "text": b'"x"',
    "duplicate key": b'{"a":1,"a":1}',
    "duplicate key below": b'{"x":[{"a":1,"b":2,"a":3}]}',
    "duplicate key, spelled otherwise": b'{"a":1,"\\u0061":2}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "broken UTF-8": b'{"a":"\xff"}',
    "control character": b'{"a":"\n"}',
    "two documents": b"{}{}",
    "tail": b"{}x",
    "deep lists": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep and cut off": b'{"a":' * 200_000,
    "a little too deep": b'{"a":' * 129 + b"1" + b"}" * 129,
    "a huge number": b'{"a":' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_bad_documents(name: str) -> None:
    refused(lambda: strict.document(BAD_DOCUMENTS[name], "it"), Code.FORMAT)


def test_good_documents() -> None:
    assert strict.document(b'{"a":[{"b":1},{"b":1}],"b":1.5e3}', "it") == {"a": [{"b": 1}, {"b": 1}], "b": 1500.0}
    deep = b'{"a":' * 127 + b"{}" + b"}" * 127
    assert strict.document(deep, "it")


def test_a_wide_document_is_read_in_linear_time() -> None:
    raw = json.dumps({"packages": [{"name": f"p{number}", "files": [{}]} for number in range(50_000)]}).encode()
    before = time.process_time()
    assert len(strict.document(raw, "it")["packages"]) == 50_000
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    "text",
    ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "QQ==QQ==", "_-8=", "\u00e9===", "=", "QQ===", "Q!Q==", "====", "\udc80"],
)
def test_base64_is_canonical(text: str) -> None:
    refused(lambda: strict.unbase64(text, "it"), Code.FORMAT)


@pytest.mark.parametrize("raw", [b"", b"A", b"AB", b"ABC", bytes(range(256))])
def test_base64_round_trip(raw: bytes) -> None:
    assert strict.unbase64(strict.base64.b64encode(raw).decode(), "it") == raw


@pytest.mark.parametrize(
    "value", [-1, 2**64, 1.5, True, None, "", "-2", "1.0", "1_0", " 1", "\u0663", "1" * 21, [], {}]
)
def test_numbers_that_are_none(value: object) -> None:
    refused(lambda: strict.number({"n": value}, "n", "it"), Code.FORMAT)


@pytest.mark.parametrize("value", [0, 2**64 - 1, "7", "18446744073709551614"])
def test_numbers(value: object) -> None:
    assert strict.number({"n": value}, "n", "it") == int(str(value))


@pytest.mark.parametrize("seconds", [-1, strict.LATEST + 1])
def test_moments_that_no_calendar_has(seconds: int) -> None:
    refused(lambda: strict.moment(seconds, "it"), Code.FORMAT)


def test_foreign_text_is_shown_on_one_bounded_line() -> None:
    shown = show("a\nb\x1b[31m\u202e" + "x" * 10_000)
    assert shown.isprintable()
    assert len(shown) < SHOWN + 10


class PanicException(BaseException):
    """What pyo3 raises when Rust panics: no Exception."""


@pytest.mark.parametrize(
    "error", [ValueError("a\nb"), TypeError(), KeyError("x"), RecursionError(), AssertionError(), PanicException("oh")]
)
def test_the_fence_lets_only_trust_errors_out(error: BaseException) -> None:
    def burst() -> None:
        with fence(Code.LOG, "it"):
            raise error

    assert refused(burst, Code.LOG, "it: ").__cause__ is error
    assert "\n" not in cause(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_the_fence_keeps_out_of_what_is_not_its_business(error: BaseException) -> None:
    with pytest.raises(type(error)), fence(Code.LOG, "it"):
        raise error


def test_a_trust_error_keeps_its_code() -> None:
    @fenced("outside")
    def burst() -> None:
        raise TrustError(Code.SCT, "inside")

    assert refused(burst, Code.SCT).summary == "inside"

"""The one exception that leaves the trust core, and the fence that keeps every other one inside."""

import enum
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

from app.errors import PratiqueError

P = ParamSpec("P")
R = TypeVar("R")

SHOWN = 240
"""Longest piece of foreign text, in characters, that is repeated to a user."""


class Code(enum.StrEnum):
    """Why something was not believed. Stable: metrics and tests name them."""

    IDENTITY = "identity"
    ISSUER = "issuer"
    DIGEST = "digest"
    SIGNATURE = "signature"
    CERTIFICATE = "certificate"
    EXPIRED = "expired"
    UNTRUSTED_ROOT = "untrusted-root"
    LOG = "log"
    TIMESTAMP = "timestamp"
    SCT = "sct"
    FORMAT = "format"
    PREDICATE_TYPE = "predicate-type"
    PAYLOAD_TYPE = "payload-type"
    KEY = "key"
    POLICY = "policy"


class TrustError(PratiqueError):
    """Evidence that does not count. `code` says which check refused it, the summary says in one line what was found.

    `identity` and `issuer` name the signer where signature, time and certificate were already established and something
    else was wrong (a signer that is not permitted, another image, another predicate type); else they are ''.
    """

    def __init__(self, code: Code, summary: str, *, identity: str = "", issuer: str = "") -> None:
        """Keep the code and the signer next to the text."""
        super().__init__(summary)
        self.code = code
        self.identity = identity
        self.issuer = issuer


def refuse(code: Code, summary: str) -> NoReturn:
    """Raise a TrustError; for expressions and short branches."""
    raise TrustError(code, summary)


def show(text: object) -> str:
    """Foreign text made harmless: one line, printable, quoted, bounded."""
    raw = str(text)
    cut = raw[:SHOWN]
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
    return f'"{clean}{"..." if len(raw) > SHOWN else ""}"'


@contextmanager
def fence(code: Code, what: str) -> Generator[None]:
    """Turn whatever a library raises inside into a TrustError that begins with `what`.

    The libraries raise far more than they document (ValueError, TypeError, binascii.Error, pydantic's ValidationError,
    x509.InvalidVersion, RecursionError, AssertionError, and the Rust ones panic), so nothing less than all is caught.
    """
    try:
        yield
    except (TrustError, MemoryError):
        raise
    except Exception as error:
        raise TrustError(code, f"{what}: {cause(error)}") from error
    except BaseException as error:
        # A panic in pyo3 code derives from BaseException, so that `except Exception` does not see it.
        if type(error).__name__ != "PanicException":
            raise
        raise TrustError(code, f"{what}: {cause(error)}") from error


def cause(error: BaseException) -> str:
    """A library's error as part of one line: its first line, bounded, and its kind where it says nothing itself."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{show(line)[1:-1]} ({type(error).__name__})" if line else type(error).__name__


def fenced(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate an entry point so that only TrustError leaves it."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            with fence(Code.FORMAT, what):
                return function(*args, **kwargs)

        return inner

    return decorate

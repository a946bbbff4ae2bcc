"""CEL conditions in policy documents, type-checked when the document is loaded. The library is an optional extra."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

MODULE: Final = "cel_expr_python"
MAX_EXPRESSION: Final = 8192
"""Longest expression in characters."""
VARIABLES: Final = ("statement", "predicate")
"""What a condition on an attestation sees: the verified in-toto statement, and its predicate."""


def available() -> bool:
    """Whether conditions can be evaluated in this installation."""
    return find_spec(MODULE) is not None


def check(text: str) -> None:
    """Compile a condition. Raises ValueError: no library, too long, or no boolean expression; says where."""
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > MAX_EXPRESSION:
        raise ValueError(f"must be no more than {MAX_EXPRESSION} characters")
    if not available():
        raise ValueError("CEL is not supported here: install Pratique with its extra `cel`")
    cel = _library()
    try:
        result = _environment().compile(text).return_type()
    except Exception as error:  # noqa: BLE001 - the library raises what it likes; each means "not a condition"
        # Its first line says what and where (`ERROR: <input>:1:9: undeclared reference`); the rest draws it.
        reason = str(error).partition("\n")[0].rpartition("<input>:")[2].removesuffix(" [INVALID_ARGUMENT]")
        raise ValueError(f"is no CEL expression over {' and '.join(VARIABLES)}: {reason[:200]}") from None
    if result not in (cel.Type.BOOL, cel.Type.DYN):
        raise ValueError(f"must give true or false, not a value of type {result}")


def _library() -> Any:
    from cel_expr_python import cel  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional

    return cel


@lru_cache(maxsize=1)
def _environment() -> Any:
    cel = _library()
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))

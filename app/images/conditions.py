"""Whether a verified attestation says what a policy demands: its CEL expression, and nothing less.

Only statements whose signature was verified come here. What cannot be evaluated refuses: an expression that is ignored
would be a policy that is ignored.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from app.config import cel
from app.core.images.policy import Attestation
from app.images.trust.errors import show


def why_not(attestation: Attestation, statement: bytes) -> str:
    """Say in one line why a verified statement does not satisfy the policy; '' if it does."""
    if attestation.conditions is not None:
        return "the policy has conditions that this version cannot evaluate"
    if not attestation.cel:
        return ""
    if not cel.available():
        return "the policy has a CEL expression, and CEL is not supported here: install Pratique with its extra `cel`"
    return _evaluated(attestation.cel, json.loads(statement))


def _evaluated(expression: str, tree: dict[str, Any]) -> str:
    try:
        answer = _compiled(expression).eval(data={"statement": tree, "predicate": tree.get("predicate")})
        kind, value = answer.type(), answer.value()
    except Exception as error:  # noqa: BLE001 - the library raises what it likes; each means "not satisfied"
        return f"the policy's expression could not be evaluated on it: {show(_first_line(error))[1:-1]}"
    types = _library().Type
    if kind == types.BOOL:
        return "" if value is True else "it does not satisfy the policy's expression"
    if kind == types.ERROR:
        return f"the policy's expression fails on it: {show(_first_line(value))[1:-1]}"
    return "the policy's expression does not give true or false on it"


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]


def _library() -> Any:
    from cel_expr_python import cel as library  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - optional

    return library


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    library = _library()
    return library.NewEnv(variables=dict.fromkeys(cel.VARIABLES, library.Type.DYN)).compile(expression)

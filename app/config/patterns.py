"""Regular expressions that administrators write: RE2, matched against the whole text; advice about careless ones."""

from __future__ import annotations

from typing import Any, Final

import re2  # type: ignore[import-untyped]

MAX_PATTERN: Final = 2048
"""Longest expression in characters; verification has the same limit."""
_MEMORY: Final = 1 << 20

_WORKFLOW: Final = ".github/workflows/x.yml@refs/heads/main"
_URLS: Final = (
    f"https://first.example/one/two/{_WORKFLOW}",
    "https://second.test",
    "https://third.invalid:8443/oauth2/default",
    f"https://github.com/fourth/five/{_WORKFLOW}",
)
_ADDRESSES: Final = ("one@first.example", "two.three@second.test", "x@y.invalid")
_FORGES: Final = {
    "github.com": (f"https://github.com/first/one/{_WORKFLOW}", f"https://github.com/second/two/{_WORKFLOW}"),
    "gitlab.com": (
        "https://gitlab.com/first/one//.gitlab-ci.yml@refs/heads/main",
        "https://gitlab.com/second/two//.gitlab-ci.yml@refs/heads/main",
    ),
}


def compiled(text: str) -> Any:
    """An RE2 expression, limited in size and memory. Raises ValueError with the reason."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"must be no more than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"is not an RE2 expression: {reason[:200]}") from None


def expression(text: str) -> str:
    """Check an expression and give it back, for models. Raises ValueError."""
    if text:
        compiled(text)
    return text


def advice(text: str) -> list[str]:
    """What the author of an identity's expression may not have meant."""
    pattern = compiled(text)
    told = []
    if all(map(pattern.fullmatch, _URLS)) or all(map(pattern.fullmatch, _ADDRESSES)):
        told.append("matches practically everything, so anybody's signature counts; name whom you trust")
    else:
        told += [
            f"permits every project on {host}, not only yours; name the owner or the repository"
            for host, texts in _FORGES.items()
            if all(map(pattern.fullmatch, texts))
        ]
    if not anchored(text):
        told.append(
            "is not anchored: it must match the whole text here, where policy-controller finds it anywhere; "
            "write `^...$` to say so"
        )
    return told


def anchored(text: str) -> bool:
    """Whether an expression says itself that it covers the whole text: `^...$` without an alternative outside."""
    start = text.startswith(("^", r"\A"))
    if text.endswith("$"):
        body = text[:-1]
        end = (len(body) - len(body.rstrip("\\"))) % 2 == 0
    else:
        end = text.endswith(r"\z")
    return start and end and not _has_outer_alternative(text)


def _has_outer_alternative(text: str) -> bool:
    """Whether `|` stands outside all brackets, where `^a|b$` anchors each side by half."""
    depth = 0
    in_class = False
    index = 0
    while index < len(text):
        character = text[index]
        if character == "\\":
            index += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            # `[]...]` and `[^]...]` have the bracket as their first member.
            index += 1 if text[index + 1 : index + 2] == "]" else 2 if text[index + 1 : index + 3] == "^]" else 0
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "|" and depth == 0:
            return True
        index += 1
    return False

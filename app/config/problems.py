"""Pydantic's errors as a person with the file open wants them: line, field, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.config.yaml import Document
from app.errors import ConfigError

Path = tuple[str | int, ...]

_TYPES = {
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "bool_type": "must be `true` or `false`, without quotes",
    "missing": "is missing",
}


def explain(document: Document, root: Path, errors: ValidationError, model: type[BaseModel]) -> ConfigError:
    """One error for all problems of an object that stands at `root` in a document, in the order of the file."""
    found = []
    for path, what in broken(errors, model, root):
        found.append((document.find(path) or (document.line, 0), f"{document.where(path)}: {field(path)}: {what}"))
    lines = [text for _, text in sorted(found)]
    if len(lines) == 1:
        return ConfigError(lines[0])
    return ConfigError(f"{lines[0]} (and {len(lines) - 1} more)", "\n".join(lines))


def broken(errors: ValidationError, model: type[BaseModel], root: Path = ()) -> list[tuple[Path, str]]:
    """Each problem's path below the document's top and what is wrong there; never the value that was given."""
    found = []
    for error in errors.errors(include_url=False, include_input=False):
        path = (*root, *error["loc"])
        if error["type"] == "repeated":  # found by the list, but it is one item's mistake
            path = (*path, error["ctx"]["index"])
        found.append((path, _what(error, model)))
    return found


def unknown_type(document: Document, root: Path, api_version: str, kind: str, known: Sequence[str]) -> ConfigError:
    """An object of a type that is not configured here."""
    where = document.where((*root, "apiVersion"))
    return ConfigError(
        f"{where}: apiVersion `{api_version}`, kind `{kind}` is not a Pod Security configuration"
        + meant(api_version, known),
        f"Known are kind PodSecurityConfiguration of {', '.join(known)}.",
    )


def field(path: Path) -> str:
    """A path as Kubernetes writes it: `plugins[0].configuration.defaults.enforce`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _what(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, message, path = error["type"], error["msg"], error["loc"]
    if kind == "extra_forbidden":
        return "unknown field" + meant(str(path[-1]), _siblings(model, path[:-1]))
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}"
    return _TYPES.get(kind, message[:1].lower() + message[1:])


def _siblings(model: type[BaseModel], path: Path) -> list[str]:
    """The names of the fields that are known at a path of a model."""
    here: Any = model
    for step in path:
        if not isinstance(step, str):
            continue
        fields = {info.alias or name: info for name, info in here.model_fields.items()}
        here = _model_in(fields[step].annotation)
    return [info.alias or name for name, info in here.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The model that an annotation names, on its own or as the items of a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)


def meant(word: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown word: the likely one, or all that are known."""
    matches = get_close_matches(word, known, n=1, cutoff=0.6)
    lowered = {name.lower().replace("-", "").replace("_", ""): name for name in known}
    exact = lowered.get(word.lower().replace("-", "").replace("_", ""))
    likely = exact or (matches[0] if matches else "")
    return f", did you mean `{likely}`?" if likely else f"; known are {', '.join(known)}"

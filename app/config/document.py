"""One policy document: which it is, whether it is right, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from app.config.kind import Compiling, FieldProblem, Id, Kind, Others, content_hash
from app.config.kinds import KINDS
from app.config.problems import Path, broken, meant

MAX_DOCUMENT_BYTES: Final = 4 << 20
"""Of a document at admission; the API server stores less."""


def identify(value: Any, kinds: Sequence[Kind] = KINDS) -> tuple[Kind, Id] | FieldProblem:
    """Which kind of document this is and what it is called, or why nobody can say."""
    if not isinstance(value, dict):
        return FieldProblem((), "a policy document is a mapping")
    lacking = _lacking(value, ("apiVersion", "kind"))
    if lacking:
        return lacking
    api_version, name = value["apiVersion"], value["kind"]
    kind = next((kind for kind in kinds if kind.name == name), None)
    if kind is None:
        return FieldProblem(
            ("kind",), f"`{name[:80]}` is no kind of policy" + meant(name, [kind.name for kind in kinds])
        )
    if api_version not in kind.api_versions:
        hint = meant(api_version, kind.api_versions)
        return FieldProblem(("apiVersion",), f"`{api_version[:80]}` is no version of {name}{hint}")
    metadata: Any = value.get("metadata")
    wanted = ("name", "namespace") if kind.namespaced else ("name",)
    lacking = _lacking(metadata, wanted, ("metadata",))
    if lacking:
        return lacking
    return kind, Id(name, *(metadata[part] for part in wanted))


def _lacking(value: Any, fields: Sequence[str], path: Path = ()) -> FieldProblem | None:
    """The first of the fields that is no text."""
    for field in fields:
        given = value.get(field) if isinstance(value, dict) else None
        if given is None or given == "":
            return FieldProblem((*path, field), "is missing")
        if not isinstance(given, str):
            return FieldProblem((*path, field), "must be text; put it in quotes")
    return None


def checked(value: Mapping[str, Any], kind: Kind, compiling: Compiling) -> tuple[str, Any]:
    """The hash and the compiled value of a document; worth something only if `compiling` has no problems then."""
    try:
        model = kind.model.model_validate(value)
    except ValidationError as errors:
        for path, text in broken(errors, kind.model):
            compiling.refuse(path, text)
        return "", None
    if not kind.namespaced and model.metadata.namespace:
        compiling.warn(("metadata", "namespace"), f"has no meaning: a {kind.name} is for the whole cluster")
    digest = content_hash(value)
    return digest, kind.compile(model, digest, compiling)


class Checked(NamedTuple):
    """What is to be said about one document."""

    problems: list[FieldProblem]
    warnings: list[FieldProblem]


def review_document(raw: bytes, kind: str, known: Others | None = None, kinds: Sequence[Kind] = KINDS) -> Checked:
    """Check one document as the API server sends it (JSON). Pure: nothing is read, nothing changes.

    Args:
        raw: the object.
        kind: the kind that it was sent as; an object of another kind is a problem.
        known: `Documents.values` of those in force, against which references are checked; None takes them on trust.
        kinds: the registry.
    """
    compiling = Compiling(known)
    value = _json(raw)
    found = value if isinstance(value, FieldProblem) else identify(value, kinds)
    if isinstance(found, FieldProblem):
        return Checked([found], [])
    if found[0].name != kind:
        return Checked([FieldProblem(("kind",), f"is `{found[0].name}`, not `{kind}`")], [])
    checked(value, found[0], compiling)
    return Checked(compiling.problems, compiling.warnings)


def check_document(
    raw: bytes, kind: str, known: Others | None = None, kinds: Sequence[Kind] = KINDS
) -> list[FieldProblem]:
    """What is wrong with one document; see `review_document`. An empty list: it may take effect."""
    return review_document(raw, kind, known, kinds).problems


def _json(raw: bytes) -> Any:
    if len(raw) > MAX_DOCUMENT_BYTES:
        return FieldProblem((), f"larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    try:
        return json.loads(raw, object_pairs_hook=_object)
    except (ValueError, RecursionError) as cause:
        return FieldProblem((), f"is not JSON: {str(cause)[:200]}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is given twice")
    return value

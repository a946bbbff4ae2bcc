"""A kind of policy document: how it is read and what it becomes.

Reading has two steps. The pydantic model knows the shape and everything that can be said about a field or a part of the
document on its own. `compile` gets a document whose shape is right, makes the immutable value that judging uses, and
says through its `Compiling` what only it can know: that another document is missing, or that something is allowed but
unwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.config.model import Resource
from app.config.problems import Path, meant
from app.config.problems import field as field_text

ANNOTATIONS = "pratique.dev/"
"""Prefix of the annotations that mean something to Pratique."""


class Id(NamedTuple):
    """What a document is called; there is one of each."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        """Give it as kubectl would: `ClusterImagePolicy/name` or `PolicyExemption/namespace/name`."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


class FieldProblem(NamedTuple):
    """Something wrong at a field; the text never has a value that could be a secret."""

    path: Path
    text: str

    def __str__(self) -> str:
        """Give `field: what is wrong`."""
        return f"{field_text(self.path)}: {self.text}" if self.path else self.text


Others = Mapping[Id, Any]
"""Compiled documents of the kinds that stand earlier in the registry."""


@dataclass(slots=True)
class Compiling:
    """One document on its way: collects what is wrong, what is unwise and what it refers to."""

    others: Others | None
    """None where nothing is known of other documents, so that references are taken on trust."""
    problems: list[FieldProblem] = field(default_factory=list)
    warnings: list[FieldProblem] = field(default_factory=list)
    references: set[Id] = field(default_factory=set)

    def refuse(self, path: Path, text: str) -> None:
        """Say why the document cannot take effect; once is enough."""
        problem = FieldProblem(path, text)
        if problem not in self.problems:
            self.problems.append(problem)

    def warn(self, path: Path, text: str) -> None:
        """Say what its author may not have meant."""
        self.warnings.append(FieldProblem(path, text))

    def refer(self, path: Path, kind: str, name: str) -> Any:
        """Give the compiled document that is named at a field; refuses if there is none. None if unknown."""
        wanted = Id(kind, name)
        self.references.add(wanted)
        if self.others is None:
            return None
        found = self.others.get(wanted)
        if found is None:
            known = sorted(other.name for other in self.others if other.kind == kind)
            hint = meant(name, known) if known else "; there is none at all"
            self.refuse(path, f"there is no {kind} `{name}`{hint}")
        return found


class Kind(NamedTuple):
    """An entry of the registry (`app.config.kinds`)."""

    name: str
    group: str
    versions: tuple[str, ...]
    model: type[Resource]
    compile: Callable[[Any, str, Compiling], Any]
    """From a validated model and the document's hash to the value that judging uses."""
    namespaced: bool = False

    @property
    def api_versions(self) -> tuple[str, ...]:
        """`group/version` of every version."""
        return tuple(f"{self.group}/{version}" for version in self.versions)


def content_hash(value: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what a document says: independent of key order, notation, version, status and metadata.

    Pratique's own annotations count, as they change what is judged.
    """
    metadata = value.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    said = {
        "kind": value.get("kind"),
        "namespace": metadata.get("namespace") or "",
        "name": metadata.get("name"),
        "annotations": {key: text for key, text in annotations.items() if key.startswith(ANNOTATIONS)},
        "spec": value.get("spec"),
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()

"""Policy documents of all kinds: read from a directory, checked, and kept while a newer version is bad.

A document takes effect whole or not at all. A bad one is reported with file, line, column and field, and whatever was
in force under its name stays in force. A document is withdrawn only when it is gone and nothing unreadable could hide
it: a file whose documents cannot be told apart keeps every missing document in force until it can be read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from app.config import directory
from app.config.document import check_document, checked, identify, review_document
from app.config.kind import Compiling, FieldProblem, Id, Kind, Others
from app.config.kinds import KINDS
from app.config.problems import Path as FieldPath
from app.config.yaml import Document, YamlError, objects, place
from app.errors import ConfigError

__all__ = [
    "EMPTY",
    "MAX_DOCUMENTS",
    "Documents",
    "FieldProblem",
    "Id",
    "Loaded",
    "Problem",
    "check_document",
    "error",
    "load_directory",
    "review_document",
    "update",
]

MAX_DOCUMENTS: Final = 10_000


class Problem(NamedTuple):
    """Something in a policy directory that has no effect; sorts by place."""

    source: str
    line: int
    """From one; zero where the file as a whole is meant."""
    column: int
    text: str
    """The field and what is wrong with it."""

    def __str__(self) -> str:
        """Give `file:line:column: field: what is wrong`."""
        return f"{place(self.source, self.line, self.column)}: {self.text}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document in force."""

    id: Id
    value: Any
    """What its kind's `compile` made of it."""
    hash: str
    """SHA-256, in hex, of what it says; the same for other notation, key order or comments."""
    source: str
    """The file that it came from."""
    line: int
    warnings: tuple[str, ...] = ()
    """`file:line:column: field: advice`."""
    references: frozenset[Id] = frozenset()
    """Documents that it cannot be without."""


@dataclass(frozen=True, slots=True)
class Documents:
    """All documents in force, as one immutable value."""

    loaded: Mapping[Id, Loaded] = field(default_factory=lambda: MappingProxyType({}))
    stale: tuple[Id, ...] = ()
    """Those that stay in force although their file no longer says so, because what it says now is bad."""

    def of(self, kind: str) -> tuple[Any, ...]:
        """The compiled documents of a kind, by name."""
        return tuple(self.loaded[key].value for key in sorted(self.loaded) if key.kind == kind)

    @property
    def values(self) -> Others:
        """The compiled documents, for references."""
        return {key: document.value for key, document in self.loaded.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """All advice, by document."""
        return tuple(text for key in sorted(self.loaded) for text in self.loaded[key].warnings)


EMPTY: Final = Documents()


def load_directory(path: Path, kinds: Sequence[Kind] = KINDS) -> Documents:
    """All documents below a directory.

    Raises:
        ConfigError: if anything is wrong with any of them; its diagnosis lists every problem of every file.
    """
    documents, found = update(EMPTY, path, kinds)
    if found:
        raise error(found)
    return documents


def error(found: Sequence[Problem]) -> ConfigError:
    """Problems as one error: the first in the summary, all in the diagnosis if there are more."""
    lines = [str(problem) for problem in found]
    if len(lines) == 1:
        return ConfigError(lines[0])
    return ConfigError(f"{lines[0]} (and {len(lines) - 1} more)", "\n".join(lines))


def update(previous: Documents, path: Path, kinds: Sequence[Kind] = KINDS) -> tuple[Documents, tuple[Problem, ...]]:
    """The documents that are in force after those in `previous`, now that the directory is as it is.

    Never raises for what is in the directory. Problems come in the order of files and lines; with none of them,
    everything that is in force is in the directory.
    """
    return _Update(previous, kinds).run(path)


class _Draft(NamedTuple):
    """A document that has a known kind and a name."""

    id: Id
    kind: Kind
    document: Document


class _Update:
    """One pass; thrown away afterwards."""

    def __init__(self, previous: Documents, kinds: Sequence[Kind]) -> None:
        self._previous = previous.loaded
        self._kinds = kinds
        self._problems: list[Problem] = []
        self._drafts: dict[Id, _Draft] = {}
        self._bad: set[Id] = set()
        self._blind = False
        """Something could not even be told apart, so a document that seems to be gone may be in there."""
        self._loaded: dict[Id, Loaded] = {}
        self._stale: set[Id] = set()

    def run(self, path: Path) -> tuple[Documents, tuple[Problem, ...]]:
        files, unread = directory.read(path)
        for one in unread:
            self._lost(one.source, 0, 0, one.reason)
        for file in files:
            self._read(file)
        for kind in self._kinds:
            others = {key: document.value for key, document in self._loaded.items()}
            for draft in [draft for draft in self._drafts.values() if draft.kind is kind]:
                self._compile(draft, others)
            self._keep(kind)
        self._keep_references()
        loaded = MappingProxyType({key: self._loaded[key] for key in sorted(self._loaded)})
        return Documents(loaded, tuple(sorted(self._stale))), tuple(sorted(self._problems))

    def _lost(self, source: str, line: int, column: int, text: str) -> None:
        """A problem that hides which documents there are."""
        self._blind = True
        self._problems.append(Problem(source, line, column, text))

    def _read(self, file: directory.PolicyFile) -> None:
        try:
            for document in objects(file.data, file.source, locate=True):
                if len(self._drafts) >= MAX_DOCUMENTS:
                    self._lost(
                        file.source, document.line, 0, f"more than {MAX_DOCUMENTS} documents; not read from here on"
                    )
                    return
                self._identify(document)
        except YamlError as cause:
            self._lost(cause.source, cause.line, cause.column, cause.problem)

    def _identify(self, document: Document) -> None:
        found = identify(document.value, self._kinds)
        if isinstance(found, FieldProblem):
            line, column = self._at(document, found.path)
            self._lost(document.source, line, column, str(found))
            return
        kind, key = found
        first = self._drafts.setdefault(key, _Draft(key, kind, document))
        if first.document is not document:
            self._bad.add(key)
            where = place(first.document.source, *self._at(first.document, ("metadata", "name")))
            self._refuse(document, key, FieldProblem(("metadata", "name"), f"{key} is there already, at {where}"))

    def _at(self, document: Document, path: FieldPath) -> tuple[int, int]:
        return document.find(path) or (document.line, 1)

    def _refuse(self, document: Document, key: Id, problem: FieldProblem) -> None:
        self._bad.add(key)
        line, column = self._at(document, problem.path)
        self._problems.append(Problem(document.source, line, column, str(problem)))

    def _compile(self, draft: _Draft, others: Mapping[Id, Any]) -> None:
        document = draft.document
        compiling = Compiling(others)
        digest, value = checked(document.value, draft.kind, compiling)
        for problem in compiling.problems:
            self._refuse(document, draft.id, problem)
        if draft.id in self._bad:  # for one of these, or as one of two
            return
        self._loaded[draft.id] = Loaded(
            draft.id,
            value,
            digest,
            document.source,
            self._at(document, ("metadata", "name"))[0],
            tuple(f"{place(document.source, *self._at(document, one.path))}: {one}" for one in compiling.warnings),
            frozenset(compiling.references),
        )

    def _keep(self, kind: Kind) -> None:
        """Keep in force what is bad now, and what nobody can say is gone."""
        for key, document in self._previous.items():
            if key.kind == kind.name and key not in self._loaded and (key in self._bad or self._blind):
                self._loaded[key] = document
                self._stale.add(key)

    def _keep_references(self) -> None:
        """Keep what a document in force cannot be without."""
        waiting = list(self._loaded.values())
        for document in waiting:
            for key in sorted(document.references):
                if key not in self._loaded and key in self._previous:
                    self._loaded[key] = self._previous[key]
                    self._stale.add(key)
                    waiting.append(self._previous[key])
                    text = f"{key} is gone, but {document.id} is still in force and refers to it; both stay"
                    self._problems.append(Problem(document.source, 0, 0, text))

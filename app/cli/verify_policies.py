"""Policy documents for a command line: a directory, or one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.document import checked, identify
from app.config.documents import Problem, error, load_directory
from app.config.kind import Compiling, FieldProblem, Id
from app.config.kinds import KINDS
from app.config.trust_sources import TrustSource
from app.config.yaml import Document, objects, read_file
from app.core.images.policy import ImagePolicy
from app.errors import ConfigError


def load(path: Path) -> tuple[tuple[ImagePolicy, ...], tuple[TrustSource, ...]]:
    """The image policies and trust roots of a file or directory. Raises ConfigError, with every problem."""
    if path.is_dir():
        documents = load_directory(path)
        return documents.of("ClusterImagePolicy"), documents.of("TrustRoot")
    values = _file(path)
    policies = tuple(value for key, value in values.items() if key.kind == "ClusterImagePolicy")
    if not policies:
        raise ConfigError(f"{path} has no ClusterImagePolicy")
    return policies, tuple(value for key, value in values.items() if key.kind == "TrustRoot")


def _file(path: Path) -> dict[Id, Any]:
    read_file(path)  # says why a file cannot be read
    problems: list[Problem] = []
    drafts = []
    for document in objects(path.read_bytes(), str(path), locate=True):
        found = identify(document.value)
        if isinstance(found, FieldProblem):
            problems.append(_problem(document, found))
        else:
            drafts.append((*found, document))
    values: dict[Id, Any] = {}
    for wanted in KINDS:
        for kind, key, document in drafts:
            if kind is not wanted:
                continue
            compiling = Compiling(dict(values))
            _, value = checked(document.value, kind, compiling)
            problems += [_problem(document, one) for one in compiling.problems]
            if key in values:
                problems.append(_problem(document, FieldProblem(("metadata", "name"), f"{key} is there already")))
            values[key] = value
    if problems:
        raise error(sorted(problems))
    return values


def _problem(document: Document, problem: FieldProblem) -> Problem:
    line, column = document.find(problem.path) or (document.line, 1)
    return Problem(document.source, line, column, str(problem))

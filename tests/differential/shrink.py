"""Delta debugging of JSON: the smallest document that still shows the same thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Final

Path = tuple[str | int, ...]
ROUNDS: Final = 12
"""Passes over the document; each pass only ever makes it smaller, and a pass without success ends the search."""


def shrink(document: Any, interesting: Callable[[Any], bool]) -> Any:
    """Give a smallest part of `document` that is still `interesting`: no member or item of it can be left out.

    `document` itself must be interesting. `interesting` is asked often, with documents it may keep but not change.
    """
    for _ in range(ROUNDS):
        smaller = _pass(document, interesting)
        if smaller == document:
            return document
        document = smaller
    return document


def _pass(document: Any, interesting: Callable[[Any], bool]) -> Any:
    """Try to leave out every part once, outer parts before inner ones, and to empty what cannot be left out."""
    paths = list(_paths(document))
    for path in paths:
        for change in (_without, _emptied):
            candidate = change(document, path)
            if candidate is not None and interesting(candidate):
                document = candidate
                break
    return document


def _paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Paths of all parts, breadth first, items of lists from the last to the first so that indexes stay right."""
    level: list[tuple[Path, Any]] = [(here, value)]
    while level:
        below: list[tuple[Path, Any]] = []
        for path, part in level:
            if isinstance(part, dict):
                below += [((*path, key), inner) for key, inner in part.items()]
            elif isinstance(part, list):
                below += [((*path, index), part[index]) for index in reversed(range(len(part)))]
        yield from (path for path, _ in below)
        level = below


def _parent(document: Any, path: Path) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


def _without(document: Any, path: Path) -> Any:
    """A copy without the part at `path`; None where there is no such part any more."""
    copy = deepcopy(document)
    try:
        del _parent(copy, path)[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return copy


def _emptied(document: Any, path: Path) -> Any:
    """A copy whose object, list or text at `path` is empty; None where there is nothing to empty."""
    copy = deepcopy(document)
    try:
        parent = _parent(copy, path)
        part = parent[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    if not part or not isinstance(part, dict | list | str):
        return None
    parent[path[-1]] = type(part)()
    return copy

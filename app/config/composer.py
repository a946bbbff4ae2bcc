"""One YAML document from libyaml's events to plain data, by the rules of go-yaml v2.

A flat loop over events instead of PyYAML's composer and constructor: no recursion that deep input could exhaust, one
pass, and positions at hand for errors.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final, NamedTuple, TypeAlias

from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from app.config.scalars import (
    MEANINGFUL_FIRST,
    MERGE,
    Scalar,
    UnreadableScalar,
    as_json,
    as_key,
    plain_value,
    resolve,
    resolve_tagged,
)

MAX_DEPTH: Final = 500
"""Levels of nesting that are accepted; Kubernetes objects stay below 60, and JSON encoders give up near 1,000."""

Mark: TypeAlias = tuple[int, int]
"""Line and column, both from one."""

Marks: TypeAlias = dict[int, dict[str, Mark] | list[Mark]]
"""For each container (by its id) where its keys or items stand; valid while the document's value lives."""

_TAG: Final = re.compile(r"(?:&\S+\s+)?(!\S*)")  # noqa: TID251 - fixed and linear
_NO_KEY: Final = object()
_MERGED: Final = object()
_COMPLEX_KEY: Final = "a key must be a single word, not a mapping or sequence"
_NOT_MERGEABLE: Final = "`<<` merges a mapping or a sequence of mappings"
_TOO_DEEP: Final = f"nested more than {MAX_DEPTH} levels deep"


class Problem(Exception):  # noqa: N818 - carried to the caller, who raises the error users see
    """Something kubectl refuses, at a line and column from one."""

    def __init__(self, mark: Mark, text: str) -> None:
        super().__init__(text)
        self.line, self.column = mark
        self.text = text


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("anchor", "height", "is_mapping", "key", "marks", "start", "value")

    def __init__(self, value: dict[str, Any] | list[Any], start: int, anchor: str | None) -> None:
        self.value: Any = value
        self.is_mapping = type(value) is dict
        self.marks: Any = {} if self.is_mapping else []
        self.key: Any = _NO_KEY
        self.start = start
        """Nodes decoded before this one: the difference at its end is its size."""
        self.anchor = anchor
        self.height = 1


class _Anchored:
    """A named node: its value once complete, its size in nodes and its height with aliases expanded."""

    __slots__ = ("height", "size", "value")

    def __init__(self, value: Any = _NO_KEY, size: int = 0) -> None:
        self.value = value
        self.size = size
        self.height = 0


class Composed(NamedTuple):
    """The only document of a text."""

    value: Any
    """None if there is no document."""
    line: int
    """Where its content starts."""
    marks: Marks
    """Empty unless asked for."""


def compose(text: str, first_line: int = 1, *, locate: bool = False) -> Composed:
    """Read a text that holds at most one document.

    Raises Problem, or yaml's own errors with lines counted from zero within the text.
    """
    parser = CParser(text)
    try:
        return _Composer(parser, text, first_line, locate=locate).run()
    finally:
        parser.dispose()


class _Composer:
    def __init__(self, parser: Any, text: str, first_line: int, *, locate: bool) -> None:
        self._next = parser.get_event
        self._text = text
        self._first_line = first_line
        self._locate = locate
        self._marks: Marks = {}
        self._anchors: dict[str, _Anchored] = {}
        self._root: Any = None
        self._open: list[_Open] = []
        # go-yaml's measure against alias bombs: nodes decoded, and how many of them by way of an alias. The document
        # itself counts as one.
        self._decoded = 1
        self._aliased = 0

    def run(self) -> Composed:
        line = 0
        while True:
            event = self._next()
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event)
            elif kind is MappingStartEvent:
                self._start(event, {})
            elif kind is SequenceStartEvent:
                self._start(event, [])
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._end(event)
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                if line:
                    text = "kubectl ignores what follows the end of a document; start the next one with `---`"
                    raise Problem(self._at(event), text)
                line = self._at(event)[0]
            elif kind is StreamEndEvent:
                return Composed(self._root, line, self._marks)

    def _at(self, event: Any) -> Mark:
        mark = event.start_mark
        return (self._first_line + mark.line, mark.column + 1)

    def _awaits_key(self) -> _Open | None:
        """The innermost open node if it is a mapping whose next child is a key."""
        if self._open:
            parent = self._open[-1]
            if parent.is_mapping and parent.key is _NO_KEY:
                return parent
        return None

    def _scalar(self, event: Any) -> None:
        text = event.value
        tag = event.tag
        anchor = event.anchor
        plain = event.implicit[0]
        mapping = self._awaits_key()
        if mapping is not None and text == "<<" and (plain or tag == MERGE):
            mapping.key = _MERGED
            if anchor is not None:
                self._anchors[anchor] = _Anchored(text, 1)
            return
        self._decoded += 1
        if tag is not None:
            self._check_tag(event)
        try:
            if mapping is None and plain and tag is None and anchor is None:
                value = text if text and text[0] not in MEANINGFUL_FIRST else _plain(text)
            else:
                value = _any_scalar(text, tag, plain=plain)
                if anchor is not None:
                    # A word may differ as key and as value (`1e6`), so what is remembered is the value before JSON.
                    self._anchors[anchor] = _Anchored(value, 1)
                if mapping is not None:
                    self._key(mapping, as_key(value), event)
                    return
                value = as_json(value)
        except UnreadableScalar as cause:
            raise Problem(self._at(event), str(cause)) from None
        self._note(event)
        self._place(value, event)

    def _start(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if self._awaits_key() is not None:
            raise Problem(self._at(event), _COMPLEX_KEY)
        if len(self._open) >= MAX_DEPTH:
            raise Problem(self._at(event), _TOO_DEEP)
        if event.tag is not None:
            self._check_tag(event)
        self._note(event)
        frame = _Open(value, self._decoded, event.anchor)
        self._decoded += 1
        if event.anchor is not None:
            # Named from the start on, so that a node which contains itself is recognised.
            self._anchors[event.anchor] = _Anchored()
        self._open.append(frame)

    def _check_tag(self, event: Any) -> None:
        """Refuse `[!tag, x]`: for libyaml the comma ends the tag, for go-yaml it is part of it."""
        token = _TAG.match(self._text, event.start_mark.index)
        if token and "," in token[1]:
            raise Problem(self._at(event), f"a comma directly behind the tag `{token[1][:40]}`; put a space between")

    def _end(self, event: Any) -> None:
        frame = self._open.pop()
        if self._locate:
            self._marks[id(frame.value)] = frame.marks
        if frame.anchor is not None:
            named = self._anchors[frame.anchor]
            if named.value is _NO_KEY:
                named.value = frame.value
                named.size = self._decoded - frame.start
                named.height = frame.height
        if self._open:
            parent = self._open[-1]
            parent.height = max(parent.height, frame.height + 1)
        self._place(frame.value, event)

    def _alias(self, event: Any) -> None:
        at = self._at(event)
        named = self._anchors.get(event.anchor)
        if named is None:
            raise Problem(at, f"`*{event.anchor}` refers to an anchor that does not exist")
        if named.value is _NO_KEY:
            raise Problem(at, f"anchor `&{event.anchor}` contains itself")
        self._decoded += 1 + named.size
        self._aliased += named.size
        if self._aliased > 100 and self._decoded > 1000 and self._aliased / self._decoded > self._allowed_ratio():
            raise Problem(at, "aliases make the document too large")
        if len(self._open) + named.height > MAX_DEPTH:
            raise Problem(at, _TOO_DEEP)
        mapping = self._awaits_key()
        if mapping is not None:
            if named.height:
                raise Problem(at, _COMPLEX_KEY)
            try:
                self._key(mapping, as_key(named.value), event)
            except UnreadableScalar as cause:
                raise Problem(at, str(cause)) from None
            return
        if self._open:
            parent = self._open[-1]
            parent.height = max(parent.height, named.height + 1)
            if parent.key is _MERGED and type(named.value) is not dict:
                raise Problem(at, _NOT_MERGEABLE)
        self._note(event)
        self._place(self._copy(named.value) if named.height else as_json(named.value), event)

    def _allowed_ratio(self) -> float:
        """go-yaml's bound: 99 % of nodes may come from aliases in small documents, 10 % in huge ones."""
        low, high = 400_000, 4_000_000
        if self._decoded <= low:
            return 0.99
        if self._decoded >= high:
            return 0.10
        return 0.99 - 0.89 * ((self._decoded - low) / (high - low))

    def _copy(self, value: Any) -> Any:
        """A copy of a complete node, so that changing one use of an anchor leaves the others alone."""
        if type(value) is dict:
            copied: Any = {key: self._copy(item) for key, item in value.items()}
        elif type(value) is list:
            copied = [self._copy(item) for item in value]
        else:
            return value
        if self._locate:
            self._marks[id(copied)] = self._marks[id(value)]
        return copied

    def _key(self, mapping: _Open, key: str, event: Any) -> None:
        at = self._at(event)
        first = mapping.marks.get(key)
        if first is not None:
            raise Problem(at, f"key `{key[:80]}` is given twice, first on line {first[0]}")
        mapping.key = sys.intern(key)
        mapping.marks[mapping.key] = at

    def _note(self, event: Any) -> None:
        """Remember where a list item stands; keys have been noted when they came."""
        if self._open and not self._open[-1].is_mapping:
            self._open[-1].marks.append(self._at(event))

    def _place(self, value: Any, event: Any) -> None:
        """Put a complete value where it belongs."""
        if not self._open:
            self._root = value
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.value.append(value)
            return
        if parent.key is _MERGED:
            self._merge(parent.value, value, event)
        else:
            parent.value[parent.key] = value
        parent.key = _NO_KEY

    def _merge(self, container: dict[str, Any], value: Any, event: Any) -> None:
        """Apply `<<: value` where it stands: as in go-yaml v2, the later of a merge and a key wins."""
        sources = value if type(value) is list else [value]
        if any(type(source) is not dict for source in sources):
            raise Problem(self._at(event), _NOT_MERGEABLE)
        for source in reversed(sources):
            container.update(source)


def _plain(text: str) -> Scalar:
    # Only short words are worth remembering; long plain text would keep memory.
    return plain_value(text) if len(text) <= 32 else as_json(resolve(text))


def _any_scalar(text: str, tag: str | None, *, plain: bool) -> Scalar:
    """The Go value of a scalar in any style."""
    if tag is not None:
        return resolve_tagged(tag, text)
    return resolve(text) if plain else text

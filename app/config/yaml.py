"""Manifests and configuration files, read as kubectl reads them.

kubectl splits a file at lines that start with `---`, reads each part with sigs.k8s.io/yaml (go-yaml v2) and works on
the JSON that comes out. So does this module, on PyYAML's C parser with the words of `app.config.scalars`:

- merge keys (`<<`) and anchors work, and an alias bomb is refused by go-yaml's own measure;
- keys that are not text become text; tabs, byte order marks and Windows line ends are treated alike;
- JSON files and streams of JSON objects are read as JSON.

It is stricter where kubectl would silently drop what somebody wrote: a key given twice, content behind a `...` line,
and nesting beyond MAX_DEPTH are errors. Every error has file, line and column.

Nothing here recurses and aliases are copied, so the result is plain, finite data that callers may change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any, Final

from yaml import YAMLError
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from app.config.composer import MAX_DEPTH, Mark, Marks, Problem, compose
from app.config.scalars import Scalar, as_json
from app.errors import ConfigError

__all__ = ["MAX_DEPTH", "Document", "YamlError", "documents", "objects", "read_file"]

_SEPARATOR: Final = re.compile(r"^---(.*)$", re.MULTILINE)  # noqa: TID251 - fixed and linear
_JSON_SPACE: Final = re.compile(r"[ \t\r\n]*")  # noqa: TID251 - fixed and linear
_BYTE_ORDER_MARK: Final = "\ufeff"
_STRAY_MARK: Final = re.compile("(?:^|[\n\r\x85\u2028\u2029])\ufeff")  # noqa: TID251 - fixed and linear
_GUESSED_AS_JSON_WITHIN: Final = 4096  # characters of white space that kubectl skips when it looks for a brace


class YamlError(ConfigError):
    """A text that kubectl could not read either, or that says the same thing twice.

    `source`, `line` and `column` (both counted from one, zero where unknown) say where; the summary repeats them.
    """

    def __init__(self, source: str, line: int, column: int, problem: str) -> None:
        super().__init__(f"{place(source, line, column)}: {problem}")
        self.source = source
        self.line = line
        self.column = column
        self.problem = problem


def place(source: str, line: int, column: int) -> str:
    """`file:line:column`, without the parts that are unknown (zero)."""
    if not line:
        return source
    return f"{source}:{line}:{column}" if column else f"{source}:{line}"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: plain data and, if asked for, where each part of it stands."""

    value: Any
    source: str
    line: int
    """The line on which its content starts, from one."""
    marks: Marks = field(default_factory=dict, repr=False)

    def find(self, path: Sequence[str | int]) -> Mark | None:
        """Line and column (from one) of the key or list item at a path, or of its nearest ancestor that has any."""
        found: Mark | None = None
        here = self.value
        for step in path:
            marks: Any = self.marks.get(id(here))
            try:
                found = marks[step]
                here = here[step]
            except (KeyError, IndexError, TypeError):
                break
        return found

    def where(self, path: Sequence[str | int]) -> str:
        """`file:line:column` of a path, as far as it is known."""
        line, column = self.find(path) or (self.line, 0)
        return place(self.source, line, column)


def read_file(path: Path, *, locate: bool = False) -> list[Document]:
    """All documents of a file; see `documents`.

    Raises ConfigError when the file cannot be read and YamlError when it is not YAML.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise ConfigError(f"cannot read {path}: {cause.strerror or cause}") from cause
    return list(documents(data, str(path), locate=locate))


def documents(data: bytes | str, source: str = "<stdin>", *, locate: bool = False) -> Iterator[Document]:
    """Read a stream of YAML or JSON documents; empty ones and `null` are skipped, as kubectl skips them.

    With `locate`, each document knows where its keys and items stand. Raises YamlError at the first text that cannot
    be read; documents before it have been given by then.
    """
    text = data if isinstance(data, str) else _decode(data, source)
    text = text.replace("\r\n", "\n").removeprefix(_BYTE_ORDER_MARK)
    if not locate and text[:_GUESSED_AS_JSON_WITHIN].lstrip().startswith("{"):
        values = _json_stream(text)
        if values is not None:
            yield from (Document(value, source, line) for line, value in values)
            return
    for line, part in _parts(text, source):
        document = _read(part, source, line, locate=locate)
        if document.value is not None:
            yield document


def objects(data: bytes | str, source: str = "<stdin>", *, locate: bool = False) -> Iterator[Document]:
    """The Kubernetes objects of a stream: as `documents`, with every `List` replaced by its items, nested ones last.

    As in kubectl, any object with `items` is a list, and items without apiVersion and kind take the list's (its kind
    less the suffix `List`). Raises YamlError for a document that is no object.
    """
    for document in documents(data, source, locate=locate):
        queue: list[tuple[Any, tuple[str | int, ...]]] = [(document.value, ())]
        for value, path in queue:
            line, column = document.find(path) or (document.line, 0)
            if not isinstance(value, dict):
                raise YamlError(source, line, column, f"a Kubernetes object is a mapping, not {_article(value)}")
            items = value.get("items")
            if "items" not in value:
                yield Document(value, source, line, document.marks)
            elif isinstance(items, list):
                for item in items:
                    _inherit_type(item, value)
                queue.extend((item, (*path, "items", index)) for index, item in enumerate(items))
            elif items is not None:
                line, column = document.find((*path, "items")) or (line, column)
                raise YamlError(source, line, column, f"`items` of a list is a sequence, not {_article(items)}")


def _inherit_type(item: Any, parent: Mapping[str, Any]) -> None:
    if isinstance(item, dict) and not item.get("kind") and not item.get("apiVersion"):
        item["apiVersion"] = parent.get("apiVersion", "")
        item["kind"] = str(parent.get("kind", "")).removesuffix("List")


def _article(value: Any) -> str:
    if isinstance(value, list):
        return "a sequence"
    return "a mapping" if isinstance(value, dict) else f"`{str(value)[:40]}`"


def _decode(data: bytes, source: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise YamlError(source, 1, 1, "the file is UTF-16; save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        column = len(data[data.rfind(b"\n", 0, cause.start) + 1 : cause.start].decode(errors="replace")) + 1
        raise YamlError(source, line, column, f"byte 0x{data[cause.start]:02x} is not UTF-8") from None


def _parts(text: str, source: str) -> Iterator[tuple[int, str]]:
    """Cut a stream at its `---` lines; gives the number of each part's first line, from one."""
    start = 0
    line = 1
    for separator in _SEPARATOR.finditer(text):
        trailing = separator[1].strip()
        at = line + text.count("\n", start, separator.start())
        if trailing and not trailing.startswith("#"):
            problem = f"nothing but a comment may follow `---` on its line for kubectl, found `{trailing[:40]}`"
            raise YamlError(source, at, 4, problem)
        if separator.start() > start:
            yield line, text[start : separator.start()]
        start = separator.end() + 1
        line = at + 1
    if start < len(text):
        yield line, text[start:]


def _read(part: str, source: str, line: int, *, locate: bool) -> Document:
    if line > 1:  # the stream's own mark is gone by now
        part = part.removeprefix(_BYTE_ORDER_MARK)
    stray = _STRAY_MARK.search(part) if _BYTE_ORDER_MARK in part else None
    if stray:  # libyaml would skip it, go-yaml takes it for text
        before = part[: stray.start() + 1]
        raise YamlError(source, line + before.count("\n"), 1, "a byte order mark inside the text; remove it")
    try:
        found = compose(part, line, locate=locate)
    except Problem as problem:
        raise YamlError(source, problem.line, problem.column, problem.text) from None
    except MarkedYAMLError as cause:
        raise _syntax_error(cause, part, source, line) from None
    except ReaderError as cause:
        raise _character_error(part, source, line, cause) from None
    except YAMLError as cause:  # pragma: no cover - PyYAML has no other kind today
        raise YamlError(source, line, 0, str(cause)) from None
    return Document(found.value, source, found.line, found.marks)


def _syntax_error(cause: MarkedYAMLError, part: str, source: str, first_line: int) -> YamlError:
    problem = cause.problem or "is not YAML"
    mark = cause.problem_mark or cause.context_mark
    if mark is None:
        return YamlError(source, first_line, 0, problem)
    if cause.context and cause.context_mark and cause.context_mark.line != mark.line:
        problem += f" {cause.context} that starts at line {first_line + cause.context_mark.line}"
    lines = part.split("\n")
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        problem += "; YAML is indented with spaces, and this is a tab"
    return YamlError(source, first_line + mark.line, mark.column + 1, problem)


def _character_error(part: str, source: str, first_line: int, cause: ReaderError) -> YamlError:
    before = part.encode()[: cause.position].decode(errors="ignore")
    line = first_line + before.count("\n")
    column = len(before) - before.rfind("\n")
    code = cause.character if isinstance(cause.character, int) else ord(str(cause.character)[:1] or "\0")
    return YamlError(source, line, column, f"character U+{code:04X} is not allowed in YAML")


class _NotPlainJson(ValueError):  # noqa: N818 - never leaves this module
    """The JSON reading of a text is not certain; YAML decides and can say where."""


def _json_stream(text: str) -> list[tuple[int, Any]] | None:
    """The values of a text that is nothing but JSON objects one behind the other, or None."""
    values: list[tuple[int, Any]] = []
    position = 0
    line = 1
    try:
        while True:
            start = _JSON_SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches the empty text
            line += text.count("\n", position, start)
            if start == len(text):
                return values
            value, position = _JSON.raw_decode(text, start)
            if _depth(value) > MAX_DEPTH:
                return None
            values.append((line, value))
            line += text.count("\n", start, position)
    except (ValueError, RecursionError):
        return None


def _depth(value: Any) -> int:
    depth = 0
    level = [value]
    while level:
        depth += 1
        inner = [part for part in level if type(part) is dict or type(part) is list]
        level = [item for part in inner for item in (part.values() if type(part) is dict else part)]
    return depth - 1


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = {sys.intern(key): item for key, item in pairs}
    if len(value) != len(pairs):
        raise _NotPlainJson
    return value


def _json_integer(digits: str) -> Scalar:
    if len(digits) > 20:  # longer than any 64-bit integer
        return _json_float(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else float(number)


def _json_float(digits: str) -> Scalar:
    number = float(digits)
    if isinf(number):
        raise _NotPlainJson
    return as_json(number)


def _json_constant(_: str) -> Any:
    raise _NotPlainJson


_JSON: Final = json.JSONDecoder(
    object_pairs_hook=_json_object,
    parse_int=_json_integer,
    parse_float=_json_float,
    parse_constant=_json_constant,
)

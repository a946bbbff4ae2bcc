"""The files of a policy directory, and whether they have changed.

Every `*.yaml`, `*.yml` and `*.json` below the directory is a policy file; hidden files and directories are not. In a
ConfigMap that the kubelet has mounted, the files are links through `..data`, which the kubelet points at a new
directory to change them all at once: it is followed once, so that one reading never mixes two versions.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_FILES: Final = 4096
MAX_FILE_BYTES: Final = 4 << 20
"""A ConfigMap holds 1 MiB at most; a trust root's repository is the largest thing there is."""
MAX_TOTAL_BYTES: Final = 32 << 20
MAX_DEPTH: Final = 16
"""Levels of directories."""
_DATA: Final = "..data"


class Unread(NamedTuple):
    """A file or directory that should have been read and was not."""

    source: str
    reason: str


class PolicyFile(NamedTuple):
    """What a file held."""

    source: str
    """Its path as the administrator knows it."""
    data: bytes


class _Found(NamedTuple):
    source: str
    path: str


def read(directory: Path) -> tuple[list[PolicyFile], list[Unread]]:
    """Read all policy files, in the order of their paths; what could not be read is said, not skipped."""
    files: list[PolicyFile] = []
    unread: list[Unread] = []
    left = MAX_TOTAL_BYTES
    for count, found in enumerate(_walk(str(directory), _root(directory), 0)):
        if count >= MAX_FILES:
            unread.append(Unread(found.source, f"more than {MAX_FILES} files; not read from here on"))
            break
        content = found if isinstance(found, Unread) else _content(found, left)
        if isinstance(content, Unread):
            unread.append(content)
        else:
            left -= len(content)
            files.append(PolicyFile(found.source, content))
    return files, unread


def identity(directory: Path) -> object:
    """What changes when the directory's content does; compare with `==`. Looks at names and times, reads nothing.

    Take it before reading: a change in between then shows at the next look.
    """
    root = _root(directory)
    if root != str(directory):
        return root, _status(root)
    found: list[object] = []
    for count, one in enumerate(_walk(root, root, 0)):
        found.append((one.path, _status(one.path)) if isinstance(one, _Found) else one)
        if count >= MAX_FILES:
            break
    return tuple(found)


def _status(path: str) -> object:
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them at a time
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _root(directory: Path) -> str:
    """Where the files are: the directory itself, or the one that `..data` leads to now."""
    data = directory / _DATA
    try:
        return os.path.realpath(data, strict=True) if data.is_symlink() else str(directory)
    except OSError:  # the link leads nowhere: the walk will say that there is nothing to read
        return str(data)


def _walk(shown: str, path: str, depth: int) -> Iterator[_Found | Unread]:
    """Policy files below a directory whose path is told as `shown`."""
    if depth > MAX_DEPTH:
        yield Unread(shown, f"more than {MAX_DEPTH} directories deep; not read")
        return
    try:
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Unread(shown, f"cannot be read: {error.strerror or error}")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        source = f"{shown}/{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(source, entry.path, depth + 1)
            elif entry.is_dir():
                # Not followed, as links can make circles; not passed over either, as policies may stand behind it.
                yield Unread(source, "is a symbolic link to a directory, which is not followed")
            elif entry.name.lower().endswith(SUFFIXES):
                yield _Found(source, entry.path)
        except OSError as error:
            yield Unread(source, f"cannot be read: {error.strerror or error}")


def _content(found: _Found, left: int) -> bytes | Unread:
    """A regular file's bytes, within the limits whatever its size was said to be; a pipe is refused, not waited for."""
    try:
        descriptor = os.open(found.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, opened without waiting
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Unread(found.source, "is not a regular file")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return Unread(found.source, f"cannot be read: {error.strerror or error}")
    if len(data) > MAX_FILE_BYTES:
        return Unread(found.source, f"larger than {MAX_FILE_BYTES >> 20} MiB")
    if len(data) > left:
        return Unread(found.source, f"not read: the policy files together are larger than {MAX_TOTAL_BYTES >> 20} MiB")
    return data

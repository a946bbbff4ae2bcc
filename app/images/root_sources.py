"""Where trust roots come from: a file, keys in a document, a TUF repository in a document, on a mirror, or sigstore's.

A source gives the bytes of a trusted_root.json. Only TufMirror ever opens a connection, and only in `read`, which the
background thread of `app.images.roots` calls; with any other source nothing leaves this process.

TUF keeps its metadata in a directory, against roll-backs: `cache_directory` names it. On a read-only file system mount
a writable one and point XDG_CACHE_HOME to it; without it a temporary directory is used, and what is known of earlier
versions is lost with the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import ClassVar, Final, Protocol
from urllib.parse import quote, urlsplit

from app.config.trust_sources import SigstoreKeys, TrustSource, TufRemote, TufRepository
from app.images.root_error import MAX_ROOT, RootError
from app.images.root_keys import from_keys

PUBLIC_GOOD: Final = "https://tuf-repo-cdn.sigstore.dev"


class Source(Protocol):
    """One trust root's origin. Equal sources give the same root."""

    waits: ClassVar[bool]
    """Whether `read` may wait for a network."""

    @property
    def description(self) -> str:
        """What it is, for people."""
        ...

    def initial(self) -> bytes | None:
        """What is at hand without waiting; None if nothing is. Raises RootError."""
        ...

    def read(self) -> bytes:
        """The newest trusted_root.json. Raises RootError."""
        ...

    def seen(self) -> object:
        """What changes when it is worth reading again; compared with `==`."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A trusted_root.json: nothing is ever fetched. Read again when it changes."""

    path: Path
    waits: ClassVar[bool] = False

    @property
    def description(self) -> str:
        """Name the file."""
        return f"file {self.path}"

    def initial(self) -> bytes:
        """Read it."""
        return self.read()

    def read(self) -> bytes:
        """Read it."""
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_ROOT + 1)
        except OSError as error:
            raise RootError(f"trust root {self.path} cannot be read: {error.strerror or error}") from None
        if len(data) > MAX_ROOT:
            raise RootError(f"trust root {self.path} is larger than {MAX_ROOT >> 20} MiB")
        return data

    def seen(self) -> object:
        """Its place on the disk, size and time."""
        try:
            status = self.path.stat()
        except OSError as error:
            return error.errno
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys and certificates of a TrustRoot document."""

    keys: SigstoreKeys
    waits: ClassVar[bool] = False
    description: ClassVar[str] = "keys of the document"

    def initial(self) -> bytes:
        """Put them together."""
        return self.read()

    def read(self) -> bytes:
        """Put them together."""
        return from_keys(self.keys)

    def seen(self) -> object:
        """They never change."""
        return None


@dataclass(frozen=True, slots=True)
class TufArchive:
    """A TUF repository within a TrustRoot document: verified like any other, but nothing is fetched."""

    repository: TufRepository
    waits: ClassVar[bool] = False
    description: ClassVar[str] = "TUF repository of the document"

    def initial(self) -> bytes:
        """Unpack and verify it."""
        return self.read()

    def read(self) -> bytes:
        """Unpack and verify it."""
        from app.images.root_tuf import from_archive  # noqa: PLC0415 - tuf only where it is used

        one = self.repository
        with tempfile.TemporaryDirectory(prefix="pratique-tuf-") as directory:
            return from_archive(Path(directory), one.archive, one.root, one.targets, one.trusted_root_target)

    def seen(self) -> object:
        """It never changes."""
        return None


@dataclass(frozen=True, slots=True)
class TufMirror:
    """A TUF repository on a server."""

    url: str
    root: bytes
    """The first root.json, which all later ones must be signed by."""
    targets: str = "targets"
    target: str = "trusted_root.json"
    cache: Path | None = None
    """Where metadata is kept; None keeps it for one reading only."""
    shipped: bytes | None = field(default=None, repr=False)
    """A trusted_root.json to begin with."""
    waits: ClassVar[bool] = True

    @property
    def description(self) -> str:
        """Name the server."""
        return f"TUF {urlsplit(self.url).hostname}"

    def initial(self) -> bytes | None:
        """What was shipped; metadata of an earlier process is read with the first refresh."""
        return self.shipped

    def read(self) -> bytes:
        """Ask the server."""
        from app.images.root_tuf import from_mirror  # noqa: PLC0415 - tuf only where it is used

        with contextlib.ExitStack() as stack:
            try:
                directory = self._directory()
            except OSError:
                try:
                    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pratique-tuf-")))
                except OSError as error:
                    reason = error.strerror or error
                    raise RootError(
                        f"{self.description}: nowhere to write ({reason}); mount a directory and set XDG_CACHE_HOME"
                    ) from None
            return from_mirror(directory, self.url, self.root, self.targets, self.target)

    def _directory(self) -> Path:
        if self.cache is None:
            raise FileNotFoundError
        directory = self.cache / hashlib.sha256(self.url.encode()).hexdigest()[:16]
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def seen(self) -> object:
        """Only asking will tell."""
        return None


def public_good(cache: Path | None = None) -> TufMirror:
    """Sigstore's public instance: begins with what sigstore-python ships, then refreshes by TUF."""
    store = resources.files("sigstore._store") / quote(PUBLIC_GOOD, safe="")
    return TufMirror(
        PUBLIC_GOOD,
        (store / "root.json").read_bytes(),
        cache=cache,
        shipped=(store / "trusted_root.json").read_bytes(),
    )


def of_document(document: TrustSource, cache: Path | None = None) -> Source:
    """The source that a TrustRoot document describes."""
    source = document.source
    if isinstance(source, SigstoreKeys):
        return Keys(source)
    if isinstance(source, TufRepository):
        return TufArchive(source)
    assert isinstance(source, TufRemote)  # noqa: S101 - one of three, for the type checker
    return TufMirror(source.mirror, source.root, source.targets, source.trusted_root_target, cache)


def cache_directory(environment: Mapping[str, str]) -> Path | None:
    """Where TUF metadata is kept: below XDG_CACHE_HOME, else below HOME; None where neither is set."""
    base = environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if (home := environment.get("HOME")) else "")
    return Path(base) / "pratique" / "tuf" if base.startswith("/") else None

"""Reading a trusted_root.json from a TUF repository, on a server or in an archive. The only module that imports tuf."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from app.images.root_error import MAX_ROOT, RootError

MAX_ARCHIVE: Final = 32 << 20
"""Bytes of a repository once it is unpacked."""
MAX_MEMBERS: Final = 4096
ARCHIVE_URL: Final = "https://archive.invalid/"
_SECONDS: Final = 15
"""How long a connection to a mirror may be silent."""


class _ArchiveFetcher(FetcherInterface):
    """Answers from a mapping of paths to contents."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        content = self._files.get(unquote(url.removeprefix(ARCHIVE_URL)))
        if content is None:
            raise DownloadHTTPError(f"{url} is not in the archive", 404)
        return iter((content,))


def from_mirror(directory: Path, url: str, root: bytes, targets: str, target: str) -> bytes:
    """Bring the metadata in a directory up to date from a server, and give the target. Raises RootError."""
    return _read(directory, url, root, (targets, target), Urllib3Fetcher(socket_timeout=_SECONDS))


def from_archive(directory: Path, archive: bytes, root: bytes, targets: str, target: str) -> bytes:
    """Verify a repository that is a gzip-compressed tar, and give the target. Raises RootError."""
    return _read(directory, ARCHIVE_URL, root, (targets, target), _ArchiveFetcher(unpacked(archive)))


def _read(directory: Path, url: str, root: bytes, names: tuple[str, str], fetcher: FetcherInterface) -> bytes:
    try:
        return _update(directory, f"{url.rstrip('/')}/", root, names, fetcher)
    except RootError:
        raise
    except Exception as error:
        # tuf documents its own exceptions, and lets those of urllib3, json and the file system through besides.
        raise RootError(f"{urlsplit(url).hostname}: the trust root was not refreshed: {_told(error)}") from error


def _update(directory: Path, base: str, root: bytes, names: tuple[str, str], fetcher: FetcherInterface) -> bytes:
    targets, target = names
    metadata, downloads = directory / "metadata", directory / "targets"
    metadata.mkdir(exist_ok=True)
    downloads.mkdir(exist_ok=True)
    updater = Updater(
        metadata_dir=str(metadata),
        metadata_base_url=base,
        target_dir=str(downloads),
        target_base_url=urljoin(base, f"{targets.strip('/')}/"),
        fetcher=fetcher,
        config=UpdaterConfig(app_user_agent="pratique"),
        bootstrap=root,
    )
    updater.refresh()
    info = updater.get_targetinfo(target)
    if info is None or info.length > MAX_ROOT:
        raise RootError(f"{urlsplit(base).hostname}: there is no {target}, or it is larger than {MAX_ROOT >> 20} MiB")
    return Path(updater.find_cached_target(info) or updater.download_target(info)).read_bytes()


def _told(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line[:200]}" if line else type(error).__name__


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Regular files of a gzip-compressed tar by their path below the repository's directory. Raises RootError."""
    files: dict[str, bytes] = {}
    left = MAX_ARCHIVE
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
            for count, member in enumerate(tar):
                left -= max(member.size, 0)
                if left < 0 or count >= MAX_MEMBERS:
                    break
                content: Any = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    files[str(PurePosixPath(member.name))] = content.read()
            else:
                return dict(_rebased(files))
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise RootError(f"the TUF repository cannot be unpacked: {_told(error)}") from error
    raise RootError(f"the TUF repository unpacks to more than {MAX_ARCHIVE >> 20} MiB or {MAX_MEMBERS} files")


def _rebased(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Paths relative to the directory that holds the top-level metadata."""
    bases = [PurePosixPath(name).parent for name in files if PurePosixPath(name).name == "timestamp.json"]
    if not bases:
        raise RootError("the TUF repository has no timestamp.json")
    base = min(bases, key=lambda path: len(path.parts))
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_relative_to(base):
            yield str(path.relative_to(base)), content

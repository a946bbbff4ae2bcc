"""The labels of all namespaces, kept up to date by one daemon thread: list once, then watch.

The thread follows the protocol of client-go's reflectors: a paged list, a watch from its resource version, bookmarks
that move that version on, a new list when the server no longer has it (410), and a capped exponential pause with
jitter between attempts that fail. While the server cannot be reached the last known labels stay in use.

Readers take no lock: a list replaces the whole dict by one assignment, an event changes one key.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from app.cluster.api import Api, ApiStatus, Watch
from app.errors import ClusterError

PATH: Final = "/api/v1/namespaces"
PAGE: Final = 500
LIST_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 300
"""The server ends a watch after this long, up to twice as long by chance so that replicas spread."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 30.0
_BRIEF: Final = 1.0
"""A watch that ends within this many seconds counts as a failure, or a broken server would be asked in a loop."""
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_MANY_WORDS: Final = 4096
_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})

_log = logging.getLogger("pratique.cluster")


class Metadata(msgspec.Struct, gc=False):
    """What is kept of an object."""

    name: str = ""
    labels: dict[str, str] | None = None
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class Namespace(msgspec.Struct, gc=False):
    """A namespace, of which only the metadata matters."""

    metadata: Metadata


class _ListMetadata(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    next_page: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[Namespace] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Expired(Exception):  # noqa: N818 - the server's word
    """The server no longer has our resource version (410): list again."""


class LabelsCache:
    """Names of namespaces -> their labels. `start` it once; `stop` it from any thread."""

    def __init__(self, api: Api, pause: float = _FIRST_PAUSE) -> None:
        """`pause` is the first pause after a failure, in seconds."""
        self.labels: dict[str, Mapping[str, str]] = {}
        """Replaced whole by a list; read `labels.get(name)` without a lock, and change nothing."""
        self.ready = False
        """Whether a complete list has been seen. Stays true: stale labels are better than none."""
        self.trouble = ""
        """Why the cache is not being updated right now; empty while it is."""
        self._api = api
        self._first_pause = pause
        self._heard = 0.0
        self._version = ""
        self._words: dict[str, str] = {}
        self._stopping = threading.Event()
        self._watch: Watch | None = None
        self._decode_list = msgspec.json.Decoder(_List)
        self._decode_event = msgspec.json.Decoder(_Event)
        self._decode_namespace = msgspec.json.Decoder(Namespace)
        self._thread = threading.Thread(target=self._run, name="namespaces", daemon=True)

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> bool:
        """End the thread; whether it ended within `seconds`. A request in flight may hold it until its deadline."""
        self._stopping.set()
        watch = self._watch
        if watch is not None:
            watch.interrupt()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def age(self) -> float | None:
        """Seconds since the server last told us anything (events and bookmarks come about every minute)."""
        return time.monotonic() - self._heard if self._heard else None

    def _run(self) -> None:
        pause = self._first_pause
        while not self._stopping.is_set():
            began = time.monotonic()
            trouble = self._round()
            if self._stopping.is_set():
                return
            lasted = time.monotonic() - began
            if self._heard > began and lasted > _BRIEF:  # it had worked: connections do end, and the next may be fine
                pause = self._first_pause
            elif trouble:
                self._report(trouble)
            if trouble or lasted < _BRIEF:
                self._stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _round(self) -> str:
        """List if need be, then watch until the watch ends; what went wrong, if anything."""
        try:
            if not self._version:
                self._relist()
            self._follow()
        except _Expired:
            self._version = ""
            return "the watch expired"
        except ClusterError as error:
            return error.summary
        except Exception:  # noqa: BLE001 - a bug here must not end the only thread that knows namespaces
            _log.exception("watching namespaces failed; listing them again")
            self._version = ""
            return "internal error while watching namespaces"
        return ""

    def _report(self, trouble: str) -> None:
        """Say once, not with every attempt, that the cache is cut off."""
        if trouble != self.trouble:
            _log.warning("namespaces are not up to date: %s", trouble)
        self.trouble = trouble

    def _relist(self) -> None:
        """Replace the cache by what the server has now."""
        deadline = time.monotonic() + LIST_SECONDS
        self._words = {}
        fresh: dict[str, Mapping[str, str]] = {}
        token = ""
        while True:
            more: dict[str, str | int] = {"continue": token} if token else {}
            try:
                page = self._decode_list.decode(self._api.get(PATH, deadline, limit=PAGE, **more))
            except ApiStatus as error:
                if error.status == 410:
                    raise _Expired from None  # the list took longer than the server keeps its history
                raise
            except msgspec.MsgspecError:
                raise ClusterError("the list of namespaces cannot be understood") from None
            for namespace in page.items or ():
                fresh[namespace.metadata.name] = self._lean(namespace.metadata)
            token = page.metadata.next_page
            if not token:
                break
            if self._stopping.is_set():
                return
        self.labels = fresh
        self._version = page.metadata.resource_version
        self._listened()
        if not self.ready:
            _log.info("know %d namespaces", len(fresh))
        self.ready = True

    def _follow(self) -> None:
        """Apply events until the server ends the watch."""
        if not self._version:
            raise ClusterError("the list of namespaces has no resource version")
        seconds = WATCH_SECONDS + random.randrange(WATCH_SECONDS)  # noqa: S311 - jitter, not a secret
        try:
            watch = self._api.watch(PATH, seconds, resourceVersion=self._version, allowWatchBookmarks="true")
        except ApiStatus as error:
            if error.status == 410:
                raise _Expired from None
            raise
        with watch:
            self._watch = watch
            try:
                if self._stopping.is_set():  # asked to stop before there was a watch to interrupt
                    return
                self._listened()
                for line in watch:
                    self._apply(line)
                    self._listened()
            finally:
                self._watch = None

    def _listened(self) -> None:
        self._heard = time.monotonic()
        if self.trouble:
            _log.info("namespaces are up to date again")
            self.trouble = ""

    def _apply(self, line: bytes) -> None:
        try:
            event = self._decode_event.decode(line)
            if event.type == "ERROR":
                self._fail(msgspec.json.decode(event.object, type=_Status))
            metadata = self._decode_namespace.decode(event.object).metadata
        except msgspec.MsgspecError:
            self._version = ""  # an event is lost: only a new list tells what it was
            raise ClusterError("a watch event cannot be understood") from None
        if event.type in {"ADDED", "MODIFIED"}:
            self.labels[metadata.name] = self._lean(metadata)
        elif event.type == "DELETED":
            self.labels.pop(metadata.name, None)
        if metadata.resource_version:
            self._version = metadata.resource_version

    def _fail(self, status: _Status) -> None:
        """Turn an ERROR event into an exception: its object says why the watch ends."""
        if status.code == 410:
            raise _Expired
        self._version = ""
        raise ClusterError(f"the watch of namespaces ended with an error ({status.code})")

    def _lean(self, metadata: Metadata) -> Mapping[str, str]:
        """The labels with equal texts shared: clusters have thousands of namespaces with the same few words."""
        if not metadata.labels:
            return _NO_LABELS
        words = self._words
        if len(words) > _MANY_WORDS:
            words.clear()
        share = words.setdefault
        return {
            share(key, key): (metadata.name if key == _NAME_LABEL and value == metadata.name else share(value, value))
            for key, value in metadata.labels.items()
        }

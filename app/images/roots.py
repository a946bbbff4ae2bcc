"""The trust roots in force, by name: '' is the default one, others are TrustRoot documents.

Reading a root never waits: it is what was last good. A background thread refreshes those that come from a network, and
reads files again when they change. A refresh that fails changes nothing but the state, which says how old the root is,
when it expires and why it is not newer; so metrics can warn long before nothing can be verified any more.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.core.images.policy import Authority, ImagePolicy, Key, Keyless, Static
from app.errors import PratiqueError
from app.images.question import RootUnavailable
from app.images.root_sources import Source
from app.images.trust import TrustRoot

REFRESH_SECONDS: Final = 6 * 3600.0
"""Between successful readings from a network."""
RETRY_SECONDS: Final = 60.0
"""After the first failed reading; doubles up to REFRESH_SECONDS."""
POLL_SECONDS: Final = 5.0
"""Between looks at files."""


@dataclass(frozen=True, slots=True)
class RootState:
    """How one root is doing; for metrics, probes and logs."""

    name: str
    source: str
    version: str = ""
    """SHA-256 of its content; '' while there is none."""
    expires: dt.datetime | None = None
    """From when on nothing new can be verified; None if never or unknown."""
    refreshed: float | None = None
    """When its source was last read successfully, in seconds since 1970; None while it is only what was shipped."""
    error: str = ""
    """Why the last reading failed; '' if it did not."""


@dataclass(slots=True)
class _Held:
    source: Source
    state: RootState
    root: TrustRoot | None = None
    seen: object = None
    due: float = 0.0
    """When to read again, on the monotonic clock."""
    failures: int = 0


class Roots:
    """Holds the roots. `for_authority` and `version_for` may be called from any thread, and never wait."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load what is at hand without a network; a source that fails is told in its state."""
        self._wall, self._clock = wall, clock
        self._lock = threading.Lock()
        """Held while roots are swapped, never while a network is waited for."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: dict[str, _Held] = {}
        self._roots: Mapping[str, TrustRoot] = {}
        self._combined: dict[tuple[str, str, str], TrustRoot] = {}
        self._versions: dict[str, str] = {}
        self.replace(sources)

    def replace(self, sources: Mapping[str, Source]) -> None:
        """Take these sources from now on; one that has not changed keeps its root."""
        with self._lock:
            held: dict[str, _Held] = {}
            for name, source in sources.items():
                known = self._held.get(name)
                if known is not None and known.source == source:
                    held[name] = known
                    continue
                held[name] = fresh = _Held(source, RootState(name, source.description))
                fresh.seen = source.seen()
                self._load(fresh, source.initial, final=not source.waits)
            self._held = held
            self._publish()

    def start(self) -> None:
        """Refresh in the background from now on."""
        self._thread = threading.Thread(target=self._run, name="trust-roots", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop refreshing; does not wait for a reading that is under way."""
        self._stop.set()

    def poll(self) -> None:
        """Read what has changed or is due. Waits for networks; the background thread calls it."""
        for held in tuple(self._held.values()):
            source = held.source
            seen = source.seen()
            changed = seen != held.seen
            held.seen = seen
            if changed or (held.due <= self._clock() and (source.waits or held.failures)):
                self._load(held, source.read, final=True)
        with self._lock:
            self._publish()

    def states(self) -> tuple[RootState, ...]:
        """How each root is doing, by name."""
        return tuple(held.state for _, held in sorted(dict(self._held).items()))

    # For verification.

    def for_authority(self, authority: Authority) -> TrustRoot | None:
        """Give the root that an authority's signatures are judged by; None where none is needed (a bare key).

        Certificates, log and timestamps may come from different roots. Raises RootUnavailable.
        """
        names = names_of(authority)
        if not any(name is not None for name in names):
            return None
        certificates, log, stamps = names
        key = (_key(certificates), _key(log), _key(stamps))
        combined = self._combined
        root = combined.get(key)
        if root is None:
            root = combined[key] = self._combine(certificates, log, stamps)
        return root

    def version_for(self, policy: ImagePolicy) -> str:
        """What changes when any root does that a policy's verdicts depend on: part of every cache key."""
        versions = self._versions
        version = versions.get(policy.hash)
        if version is None:
            names = {name for one in policy.authorities for name in names_of(one) if name is not None}
            roots = self._roots
            text = ",".join(f"{name}={roots[name].version if name in roots else ''}" for name in sorted(names))
            version = hashlib.sha256(text.encode()).hexdigest()[:16]
            if len(versions) > 4096:
                versions.clear()
            versions[policy.hash] = version
        return version

    def _combine(self, certificates: str | None, log: str | None, stamps: str | None) -> TrustRoot:
        named = {name for name in (certificates, log, stamps) if name is not None}
        roots = {name: self._get(name) for name in named}
        if len(named) == 1 and certificates is not None:
            return roots[certificates]
        first = roots[certificates] if certificates is not None else TrustRoot("")
        logs = roots[log].logs if log is not None else {}
        ends = [root.expires for root in roots.values() if root.expires is not None]
        return TrustRoot(
            version="+".join(roots[name].version for name in sorted(named)),
            authorities=first.authorities,
            # The second opinion of a log is made with the certificates of its own root.
            logs={key: tuple(replace(one, opinion=None) for one in several) for key, several in logs.items()},
            ct_logs=first.ct_logs,
            stamp_authorities=roots[stamps].stamp_authorities if stamps is not None else (),
            expires=min(ends, default=None),
        )

    def _get(self, name: str) -> TrustRoot:
        root = self._roots.get(name)
        if root is not None:
            return root
        shown = f"trust root {name!a}" if name else "the default trust root"
        held = self._held.get(name)
        if held is None:
            raise RootUnavailable(f"{shown} does not exist")
        raise RootUnavailable(f"{shown} is not loaded: {held.state.error or 'it is still being fetched'}")

    # Loading. What is held belongs to the thread that polls once it is in force.

    def _load(self, held: _Held, read: Callable[[], bytes | None], *, final: bool) -> None:
        """Read a root and keep the old one if that fails; `final` unless a better one is still to come."""
        try:
            raw = read()
            root = None if raw is None else TrustRoot.from_json(raw)
        except PratiqueError as error:
            self._failed(held, error.summary)
            return
        except Exception as error:  # noqa: BLE001 - a broken source must not end the thread, nor the root in force
            self._failed(held, f"{held.source.description}: {type(error).__name__}")
            return
        held.failures = 0
        if root is None:
            return
        held.root = root
        refreshed = self._wall() if final else None
        held.state = RootState(held.state.name, held.source.description, root.version, root.expires, refreshed)
        held.due = self._clock() + REFRESH_SECONDS if final else 0.0

    def _failed(self, held: _Held, why: str) -> None:
        held.state = replace(held.state, error=why)
        held.due = self._clock() + min(RETRY_SECONDS * 2**held.failures, REFRESH_SECONDS)
        held.failures = min(held.failures + 1, 16)

    def _publish(self) -> None:
        """Swap everything that readers see; a reader in between has either the old or the new of each."""
        roots = {name: held.root for name, held in self._held.items() if held.root is not None}
        if {name: root.version for name, root in roots.items()} != {n: r.version for n, r in self._roots.items()}:
            self._roots = roots
            self._combined = {}
            self._versions = {}

    def _run(self) -> None:
        while not self._stop.is_set():
            self.poll()
            self._stop.wait(POLL_SECONDS)


def names_of(authority: Authority) -> tuple[str | None, str | None, str | None]:
    """Names of the roots for certificates, log and timestamps; None where nothing of the kind is needed."""
    by = authority.by
    if isinstance(by, Static):
        return None, None, None
    log = authority.log_trust_root if authority.log == "required" else None
    stamps = authority.timestamp_trust_root if authority.timestamps == "required" else None
    if isinstance(by, Key):
        return None, log, stamps
    assert isinstance(by, Keyless)  # noqa: S101 - one of three, for the type checker
    # Where neither is demanded, a log or stamp of the certificates' own root still tells the time.
    return by.trust_root, by.trust_root if log is None else log, by.trust_root if stamps is None else stamps


def _key(name: str | None) -> str:
    """Names of documents have no space, so this one is none."""
    return " " if name is None else name

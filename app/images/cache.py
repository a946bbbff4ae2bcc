"""What is remembered of images: verdicts by everything they depend on, and for a moment where a tag leads.

A verdict's key is the image's name, its digest, the policy's content, the trust roots' content, and the identity of the
credentials: an edited policy or a refreshed root asks anew, and what one namespace's pull secret can see tells nothing
to another namespace. Refusals and troubles are kept apart from successes and briefly, by their cause: whoever floods
the webhook with unsigned images cannot push out what is known to be good.

All of it is bounded by an estimate of its bytes, and may be used from any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from app.core.images.result import ImageResult
from app.images.question import INTERNAL, REFUSED, TRUST_ROOT, Checked
from app.images.registry.errors import Kind

K = TypeVar("K")
V = TypeVar("V")

REFUSED_SECONDS: Final = {
    # Short, as somebody may be waiting for the signature that was just pushed, or for a repair.
    REFUSED: 10.0,
    Kind.NOT_FOUND: 10.0,
    Kind.UNREACHABLE: 3.0,
    Kind.TIMEOUT: 3.0,
    Kind.TLS: 10.0,
    Kind.REFUSED_ADDRESS: 30.0,
    Kind.PROTOCOL: 10.0,
    Kind.TOO_LARGE: 30.0,
    Kind.UNAUTHORIZED: 15.0,
    # Asking again is what it is about.
    Kind.RATE_LIMITED: 30.0,
    TRUST_ROOT: 1.0,
    INTERNAL: 3.0,
}
"""How long a refusal is remembered, by its cause."""
_MEBIBYTE: Final = 1 << 20


class Key(NamedTuple):
    """Everything a verdict depends on."""

    name: str
    """The image's full name, with its tag or its digest."""
    digest: str
    policy: str
    """Hash of its content."""
    roots: str
    access: str
    """Identity of the credentials."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict and its age, on the monotonic clock."""

    checked: Checked
    at: float
    until: float


class Bounded(Generic[K, V]):
    """A mapping that forgets what was not used for longest once it is too heavy. Not locked."""

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def get(self, key: K) -> V | None:
        """Give a value, which then is the most recently used one."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value; one that is heavier than the whole is not kept."""
        self.drop(key)
        weight = self._weigh(value)
        if weight > self._limit:
            return
        self._items[key] = value, weight
        self.weight += weight
        while self.weight > self._limit:
            _, (_, lost) = self._items.popitem(last=False)
            self.weight -= lost

    def drop(self, key: K) -> None:
        """Forget a value."""
        found = self._items.pop(key, None)
        if found is not None:
            self.weight -= found[1]


class Cache:
    """The verdicts."""

    def __init__(
        self,
        *,
        verified_seconds: float,
        stale_seconds: float,
        verified_bytes: int = 16 * _MEBIBYTE,
        refused_bytes: int = 4 * _MEBIBYTE,
    ) -> None:
        """Successes count for `verified_seconds`; `before` finds them for `stale_seconds`."""
        self._verified_seconds = verified_seconds
        self._stale_seconds = stale_seconds
        self._lock = threading.Lock()
        self._verified: Bounded[Key, Entry] = Bounded(verified_bytes, _weigh)
        self._refused: Bounded[Key, Entry] = Bounded(refused_bytes, _weigh)
        self._before: Bounded[Key, Key] = Bounded(verified_bytes // 4, lambda _: _KEY_BYTES)
        """By the key without its digest: where an image's last success is."""

    def get(self, key: Key, now: float) -> Entry | None:
        """Give a verdict that still counts."""
        with self._lock:
            found = self._verified.get(key)
            if found is not None and now < found.until:
                return found
            found = self._refused.get(key)
            return found if found is not None and now < found.until else None

    def put(self, key: Key, checked: Checked, now: float) -> None:
        """Remember a verdict. A refusal ends what was good; a trouble does not, as it says nothing about the image."""
        with self._lock:
            if not checked.cause:
                self._verified.put(key, Entry(checked, now, now + self._verified_seconds))
                self._refused.drop(key)
                self._before.put(key._replace(digest=""), key)
                return
            if checked.cause == REFUSED:
                self._verified.drop(key)
            self._refused.put(key, Entry(checked, now, now + REFUSED_SECONDS.get(checked.cause, 3.0)))

    def before(self, key: Key, now: float) -> Entry | None:
        """Give the last success of an image under the same policy, roots and credentials, if it is not too long ago.

        With an empty digest in the key: of whatever its tag led to then.
        """
        with self._lock:
            known = key if key.digest else self._before.get(key)
            found = None if known is None else self._verified.get(known)
            return found if found is not None and now - found.at <= self._stale_seconds else None

    def __len__(self) -> int:
        """How many verdicts are remembered."""
        with self._lock:
            return len(self._verified) + len(self._refused)


_KEY_BYTES: Final = 600


def _weigh(entry: Entry) -> int:
    return _KEY_BYTES + weight(entry.checked.result)


def weight(result: ImageResult) -> int:
    """Estimate the bytes that a result takes."""
    texts = len(result.reason) + len(result.image) + (len(result.unknown.cause) if result.unknown else 0)
    return texts + sum(400 + len(one.identity) + len(one.issuer) + len(one.why_not) for one in result.found)

"""The verification of images for reviews: concurrent, bounded, remembered, and never on the event loop.

    roots = Roots({"": File(path)}); roots.start()          # or public_good(cache_directory(os.environ)), see roots
    verifier = Verifier(Registry(settings, credentials), roots, EngineSettings(on_outage="deny"))

    results = verifier.known(requests, caller)                           # event loop: microseconds, None if any is not
    if results is None:
        results = await verifier.verify(requests, caller, deadline)      # deadline: a value of time.monotonic
    facts = Facts(labels, images=results)

`requests` are those of `app.core.images.judge.needed`. `caller` says whose credentials are used; callers with equal
keys must have equal credentials, so a good key is the namespace with the names of its service account and pull secrets.
Results come for every request, by (image as written, policy name). What one means:

    ok                             the image satisfies the policy; `digest` is what was verified, '' only where a static
                                   authority decided about a tag that nobody had to resolve
    ok and unknown is not None     the registry is down, and the image was verified before (`onOutage`); the cause of
                                   `unknown` is the note for the audit annotation and the log
    not ok and unknown is None     everything was looked at, and nothing counts: `reason` says what is missing
    not ok and unknown             it could not be checked: `reason` and the cause name the registry, seconds, advice

A review waits no longer than its deadline; a check goes on after that for a while, so that the next attempt finds its
result. Equal checks that are under way are one. A tag is resolved once in a review, for all policies.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from app.core.images.judge import ImageRequest, Results
from app.core.images.reference import Reference
from app.core.images.result import ImageResult
from app.core.unknown import Unknown
from app.errors import PratiqueError
from app.images.cache import REFUSED_SECONDS, Bounded, Cache, Entry, Key
from app.images.engine_answers import ago, internal, late, static, troubled
from app.images.engine_settings import ANYBODY, Caller, EngineSettings, Registry
from app.images.lanes import Lanes, Overloaded
from app.images.question import OUTAGES, Checked, Roots, Subject, World
from app.images.registry.errors import RegistryError
from app.images.verify import verify

T = TypeVar("T")

_RENEW: Final = 0.8
"""The part of a success's time after which it is checked anew in the background."""
_PLACES: Final = 16384


class _Place(NamedTuple):
    """What a caller's name for an image leads to."""

    access: str | None
    """Identity of the credentials; None if they could not be read."""
    digest: str
    until: float
    trouble: PratiqueError | None = None


class Verifier:
    """Verifies images. For one event loop; threads of its own do what waits or computes."""

    def __init__(
        self,
        registry: Registry,
        roots: Roots,
        settings: EngineSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Ask this registry client, believe these roots."""
        self._registry = registry
        self._roots = roots
        self._settings = settings = settings or EngineSettings()
        self._clock, self._wall = clock, wall
        self._lanes = Lanes(settings.threads, settings.per_registry, settings.waiting)
        self._cache = Cache(verified_seconds=settings.verified_seconds, stale_seconds=settings.stale_seconds)
        self._lock = threading.RLock()
        self._places: Bounded[tuple[str, str], _Place] = Bounded(_PLACES, lambda _: 1)
        self._flights: dict[object, Future[Any]] = {}

    def known(self, requests: Sequence[ImageRequest], caller: Caller = ANYBODY) -> Results | None:
        """Give the results if all are at hand; None if anything has to be asked. Never waits."""
        now = self._clock()
        results: dict[tuple[str, str], ImageResult] = {}
        for request in requests:
            result = self._remembered(request, caller, now)
            if result is None:
                return None
            results[request.image, request.policy.name] = result
        return results

    async def verify(self, requests: Sequence[ImageRequest], caller: Caller, deadline: float) -> Results:
        """Give a result for each request by `deadline`, a value of time.monotonic. Does not raise."""
        by_name: dict[str, list[ImageRequest]] = {}
        for request in requests:
            by_name.setdefault(request.reference.name, []).append(request)
        started = self._clock()
        groups = await asyncio.gather(*(self._group(group, caller, deadline, started) for group in by_name.values()))
        return {(result.image, result.policy): result for results in groups for result in results}

    def close(self) -> None:
        """Start nothing new."""
        self._lanes.close()

    # Answers.

    def _remembered(self, request: ImageRequest, caller: Caller, now: float) -> ImageResult | None:
        reference, image, policy = request
        decided = static(request)
        if decided is not None:
            return decided
        name = reference.name
        with self._lock:
            place = self._places.get((caller.key, name))
        if place is None or now >= place.until or place.access is None:
            return None
        if place.trouble is not None:
            return self._settle(request, place, troubled(request, place.trouble), now)
        key = Key(name, place.digest, policy.hash, self._roots.version_for(policy), place.access)
        entry = self._cache.get(key, now)
        if entry is None:
            return None
        if not entry.checked.cause:
            if now - entry.at > self._settings.verified_seconds * _RENEW:
                self._renew(key, request, caller, place.digest, now)
            result = entry.checked.result
            return result if result.image == image else replace(result, image=image)
        return self._settle(request, place, entry.checked, now)

    async def _group(
        self, requests: list[ImageRequest], caller: Caller, deadline: float, started: float
    ) -> list[ImageResult]:
        """Answer all requests about one name; its tag is resolved once."""
        decided = [result for request in requests if (result := static(request)) is not None]
        if len(decided) == len(requests):
            return decided
        try:
            place = await _by(self._locate(requests[0].reference, caller, deadline), deadline)
            return list(await asyncio.gather(*(self._one(one, place, caller, deadline, started) for one in requests)))
        except PratiqueError as error:  # too much is under way
            return [self._settle(one, None, troubled(one, error), self._clock()) for one in requests]

    async def _one(
        self, request: ImageRequest, place: _Place | None, caller: Caller, deadline: float, started: float
    ) -> ImageResult:
        decided = static(request)
        if decided is not None:
            return decided
        if place is None:
            with self._lock:
                place = self._places.get((caller.key, request.reference.name))
            return self._settle(request, place, late(request, self._clock() - started), self._clock())
        if place.trouble is not None or place.access is None:
            trouble = place.trouble or PratiqueError("the credentials for its registry could not be read")
            return self._settle(request, place, troubled(request, trouble), self._clock())
        policy = request.policy
        key = Key(request.reference.name, place.digest, policy.hash, self._roots.version_for(policy), place.access)
        entry = self._cache.get(key, self._clock())
        checked: Checked | None
        if entry is not None:
            checked = entry.checked
        else:
            checked = await _by(self._check(key, request, caller, place.digest, deadline), deadline)
            if checked is None:
                checked = late(request, self._clock() - started)
        return self._settle(request, place, checked, self._clock())

    def _settle(self, request: ImageRequest, place: _Place | None, checked: Checked, now: float) -> ImageResult:
        """Give the result to this request, or what `onOutage` makes of it."""
        result = (
            checked.result if checked.result.image == request.image else replace(checked.result, image=request.image)
        )
        if self._settings.on_outage == "deny" or checked.cause not in OUTAGES or result.unknown is None:
            return result
        before = self._before(request, place, now)
        if before is None:
            return result
        digest = before.checked.result.digest
        note = (
            f"admitted although it could not be checked now, because {digest} was verified "
            f"{ago(now - before.at)} ago (onOutage: {self._settings.on_outage}): {result.unknown.cause}"
        )
        return replace(before.checked.result, image=request.image, unknown=Unknown(note))

    def _before(self, request: ImageRequest, place: _Place | None, now: float) -> Entry | None:
        if place is None or place.access is None:
            return None
        policy = request.policy
        key = Key(request.reference.name, place.digest, policy.hash, self._roots.version_for(policy), place.access)
        return self._cache.before(key, now)

    # Work in threads.

    def _locate(self, reference: Reference, caller: Caller, deadline: float) -> Future[_Place]:
        """Find the caller's identity and the digest. Raises Overloaded."""
        at = (caller.key, reference.name)
        with self._lock:
            place = self._places.get(at)
        if place is not None and self._clock() < place.until:
            future: Future[_Place] = Future()
            future.set_result(place)
            return future
        until = self._patience(deadline)

        def work() -> _Place:
            found = self._located(reference, caller, until)
            with self._lock:
                self._places.put(at, found)
            return found

        return self._flight(("place", *at), reference.registry, work)

    def _located(self, reference: Reference, caller: Caller, until: float) -> _Place:
        settings, access = self._settings, None
        try:
            access = self._registry.identity(reference.context, caller.creds)
            if reference.digest:
                return _Place(access, reference.digest, self._clock() + settings.access_seconds)
            digest = self._registry.resolve(reference, caller.creds, until).digest
            return _Place(access, digest, self._clock() + settings.tag_seconds)
        except PratiqueError as error:
            seconds = REFUSED_SECONDS[error.kind] if isinstance(error, RegistryError) else 1.0
            return _Place(access, "", self._clock() + seconds, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours is no answer about the image
            return _Place(access, "", self._clock() + 1.0, PratiqueError(internal(error)))

    def _check(self, key: Key, request: ImageRequest, caller: Caller, digest: str, deadline: float) -> Future[Checked]:
        """Verify, and remember the result. Raises Overloaded."""
        reference, policy, until = request.reference, request.policy, self._patience(deadline)

        def work() -> Checked:
            now = dt.datetime.fromtimestamp(self._wall(), dt.UTC)
            settings = self._settings
            world = World(
                self._registry, self._roots, caller.creds, now, until, settings.limits, exhaustive=settings.exhaustive
            )
            checked = verify(Subject(reference, request.image, digest), policy, world)
            self._cache.put(key, checked, self._clock())
            return checked

        return self._flight(key, reference.registry, work)

    def _renew(self, key: Key, request: ImageRequest, caller: Caller, digest: str, now: float) -> None:
        """Check anew what will soon be too old, without anybody waiting for it."""
        with suppress(Overloaded):
            self._check(key, request, caller, digest, now)

    def _flight(self, key: object, lane: str, work: Callable[[], T]) -> Future[T]:
        """Have work done once for all who want it now."""
        with self._lock:
            under_way = self._flights.get(key)
            if under_way is not None:
                return under_way
            future = self._lanes.submit(lane, work)
            self._flights[key] = future
            future.add_done_callback(lambda _: self._landed(key))
            return future

    def _landed(self, key: object) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def _patience(self, deadline: float) -> float:
        return max(deadline, time.monotonic() + self._settings.patience_seconds)


async def _by(future: Future[T], deadline: float) -> T | None:
    """Wait for a result until the deadline; None past it. Whoever stops waiting does not stop the work."""
    if not future.done():
        left = max(0.0, deadline - time.monotonic())
        await asyncio.wait({asyncio.wrap_future(future)}, timeout=left)
    return future.result() if future.done() and not future.cancelled() else None

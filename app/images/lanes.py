"""Threads for work that waits, shared fairly: one registry that is slow never takes all of them.

Work goes into a lane, here one for each registry. A lane has at most so many threads at a time, and what does not get
one waits in its lane. Threads are daemons, so that a process ends without waiting for a registry.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from app.errors import PratiqueError

T = TypeVar("T")
_Job = tuple[str, "Future[Any]", Callable[[], Any]]
_IDLE_SECONDS: Final = 30.0
"""After which a thread without work ends."""


class Overloaded(PratiqueError):  # noqa: N818 - what it is
    """More work is waiting than is sensible."""


class Lanes:
    """The threads; started when there is work for them."""

    def __init__(self, threads: int, per_lane: int, waiting: int, name: str = "images") -> None:
        """At most `threads` in all and `per_lane` in a lane; at most `waiting` pieces of work without one."""
        self._threads = threads
        self._per_lane = per_lane
        self._limit = waiting
        self._name = name
        self._wake = threading.Condition()
        self._ready: deque[_Job] = deque()
        self._waiting: dict[str, deque[_Job]] = {}
        self._busy: dict[str, int] = {}
        """Work of each lane that is ready or running."""
        self._count = 0
        """Work that waits in lanes."""
        self._started = 0
        self._idle = 0
        self._closed = False

    def submit(self, lane: str, work: Callable[[], T]) -> Future[T]:
        """Have something done. Raises Overloaded."""
        future: Future[T] = Future()
        job: _Job = (lane, future, work)
        with self._wake:
            if self._closed:
                raise Overloaded("the image verification has ended")
            if self._count + len(self._ready) >= self._limit:
                raise Overloaded(f"{self._limit} image verifications are waiting already")
            if self._busy.get(lane, 0) >= self._per_lane:
                self._count += 1
                self._waiting.setdefault(lane, deque()).append(job)
                return future
            self._busy[lane] = self._busy.get(lane, 0) + 1
            self._ready.append(job)
            if self._idle >= len(self._ready):
                self._wake.notify()
            elif self._started < self._threads:
                self._started += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Start nothing new; what runs ends by its deadline."""
        with self._wake:
            self._closed = True
            left = [*self._ready, *(job for lane in self._waiting.values() for job in lane)]
            self._ready.clear()
            self._waiting.clear()
            self._wake.notify_all()
        for _, future, _ in left:
            future.cancel()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            lane, future, work = job
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
                        future.set_exception(error)
            finally:
                self._done(lane)
            del job, future, work  # or the last result lives as long as the thread idles

    def _next(self) -> _Job | None:
        with self._wake:
            while not self._ready:
                if self._closed:
                    self._started -= 1
                    return None
                self._idle += 1
                woken = self._wake.wait(_IDLE_SECONDS)
                self._idle -= 1
                if not woken and not self._ready:
                    self._started -= 1
                    return None
            return self._ready.popleft()

    def _done(self, lane: str) -> None:
        with self._wake:
            waiting = self._waiting.get(lane)
            if waiting:
                self._count -= 1
                self._ready.append(waiting.popleft())
                if not waiting:
                    del self._waiting[lane]
                return
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]

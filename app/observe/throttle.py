"""A bound on how often one kind of line is logged."""

from __future__ import annotations

from collections.abc import Callable


class Throttle:
    """A token bucket per kind: `burst` lines at once, then `per_second`; what is held back is counted."""

    def __init__(self, clock: Callable[[], float], burst: int = 20, per_second: float = 2.0) -> None:
        """Start full; `clock` gives monotonic seconds."""
        self._clock = clock
        self._burst = burst
        self._rate = per_second
        self._buckets: dict[str, tuple[float, float]] = {}
        self._held: dict[str, int] = {}

    def admit(self, kind: str) -> bool:
        """Tell whether a line of this kind may be written now; `kind` is one of few, never a caller's word."""
        now = self._clock()
        tokens, then = self._buckets.get(kind, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        if tokens < 1:
            self._buckets[kind] = (tokens, now)
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        self._buckets[kind] = (tokens - 1, now)
        return True

    def held_back(self) -> dict[str, int]:
        """Give, and forget, how many lines of each kind were held back since the last call."""
        held, self._held = self._held, {}
        return held

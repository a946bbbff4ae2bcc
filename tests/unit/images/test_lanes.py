"""Threads are shared fairly among registries."""

import threading
from collections.abc import Iterator

import pytest

from app.images.lanes import Lanes, Overloaded


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes(4, 2, 8)
    yield made
    made.close()


def test_work_is_done_and_its_failure_is_told(lanes: Lanes) -> None:
    assert lanes.submit("a", lambda: 7).result(5) == 7
    with pytest.raises(ZeroDivisionError):
        lanes.submit("a", lambda: 1 // 0).result(5)
    assert lanes.submit("a", lambda: 8).result(5) == 8


def test_a_lane_that_hangs_leaves_threads_to_the_others(lanes: Lanes) -> None:
    gate = threading.Event()
    stuck = [lanes.submit("slow", gate.wait) for _ in range(5)]
    assert [lanes.submit("fast", lambda: 1).result(5) for _ in range(20)] == [1] * 20
    assert not any(one.done() for one in stuck)
    gate.set()
    assert all(one.result(5) for one in stuck)


def test_a_lane_has_no_more_threads_than_it_may(lanes: Lanes) -> None:
    now, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        both.wait(5)
        with lock:
            now -= 1

    for one in [lanes.submit("a", work) for _ in range(8)]:
        one.result(5)
    assert most == 2


def test_too_much_work_is_refused(lanes: Lanes) -> None:
    gate = threading.Event()
    started = [threading.Event() for _ in range(2)]

    def work(number: int) -> bool:
        started[number].set()
        return gate.wait(5)

    running = [lanes.submit("a", lambda number=number: work(number)) for number in range(2)]
    assert all(one.wait(5) for one in started)
    waiting = [lanes.submit("a", gate.wait) for _ in range(8)]
    with pytest.raises(Overloaded):
        lanes.submit("a", gate.wait)
    gate.set()
    assert all(one.result(5) for one in [*running, *waiting])


def test_nothing_starts_once_it_is_closed(lanes: Lanes) -> None:
    gate = threading.Event()
    started = threading.Event()

    def work() -> bool:
        started.set()
        return gate.wait(5)

    running = lanes.submit("a", work)
    assert started.wait(5)
    second = lanes.submit("a", gate.wait)
    waiting = lanes.submit("a", lambda: True)
    lanes.close()
    assert waiting.cancelled()
    gate.set()
    assert running.result(5)
    assert second.cancelled() or second.result(5)
    with pytest.raises(Overloaded):
        lanes.submit("a", gate.wait)


def test_lanes_are_forgotten_when_they_are_empty(lanes: Lanes) -> None:
    for number in range(50):
        lanes.submit(f"{number}", lambda: None).result(5)
    lanes.submit("last", lambda: None).result(5)
    assert len(lanes._busy) <= 4
    assert not lanes._waiting

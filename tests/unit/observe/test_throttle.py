from app.observe.throttle import Throttle


def test_a_burst_passes_then_the_rate() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0], burst=3, per_second=2.0)
    assert [throttle.admit("a") for _ in range(5)] == [True, True, True, False, False]
    assert throttle.admit("b"), "each kind has its own bucket"
    now[0] += 0.5
    assert [throttle.admit("a") for _ in range(2)] == [True, False]
    now[0] += 1000
    assert sum(throttle.admit("a") for _ in range(10)) == 3, "it never holds more than a burst"
    assert throttle.held_back() == {"a": 10}
    assert throttle.held_back() == {}

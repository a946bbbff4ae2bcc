"""What is remembered, for how long, and how much."""

import threading
from dataclasses import replace

import pytest

from app.core.images.result import Found, ImageResult
from app.core.unknown import Unknown
from app.images.cache import REFUSED_SECONDS, Bounded, Cache, Key, weight
from app.images.question import INTERNAL, REFUSED, TRUST_ROOT, Checked
from app.images.registry.errors import Kind

KEY = Key("r/app:v1", "sha256:1", "policy", "roots", "access")
GOOD = Checked(ImageResult("app:v1", "sha256:1", "ci", ok=True), "")
BAD = Checked(ImageResult("app:v1", "sha256:1", "ci", ok=False, reason="unsigned"), REFUSED)
DOWN = Checked(replace(BAD.result, unknown=Unknown("down")), Kind.UNREACHABLE)


def cache(**more: int) -> Cache:
    return Cache(verified_seconds=100, stale_seconds=1000, **more)


def test_a_success_counts_for_its_time_and_not_longer() -> None:
    known = cache()
    known.put(KEY, GOOD, 10)
    entry = known.get(KEY, 109.9)
    assert entry is not None
    assert entry.checked is GOOD
    assert known.get(KEY, 110) is None


@pytest.mark.parametrize("field", Key._fields)
def test_every_part_of_the_key_matters(field: str) -> None:
    known = cache()
    known.put(KEY, GOOD, 0)
    assert known.get(KEY._replace(**{field: "other"}), 1) is None


def test_refusals_are_kept_by_their_cause() -> None:
    for cause, seconds in REFUSED_SECONDS.items():
        known = cache()
        known.put(KEY, Checked(DOWN.result, cause), 0)
        assert known.get(KEY, seconds - 0.01) is not None
        assert known.get(KEY, seconds) is None
        assert seconds <= 30


def test_there_is_a_time_for_every_cause() -> None:
    assert REFUSED_SECONDS.keys() == {REFUSED, TRUST_ROOT, INTERNAL, *Kind}


def test_a_refusal_ends_a_success_and_the_reverse() -> None:
    known = cache()
    known.put(KEY, GOOD, 0)
    known.put(KEY, BAD, 1)
    found = known.get(KEY, 2)
    assert found is not None
    assert found.checked is BAD
    assert known.before(KEY, 2) is None
    known.put(KEY, GOOD, 3)
    found = known.get(KEY, 4)
    assert found is not None
    assert found.checked is GOOD


def test_trouble_does_not_end_a_success() -> None:
    known = cache()
    known.put(KEY, GOOD, 0)
    known.put(KEY, DOWN, 1)
    found = known.get(KEY, 2)
    assert found is not None
    assert found.checked is GOOD


def test_what_was_verified_before_is_found_for_longer() -> None:
    known = cache()
    known.put(KEY, GOOD, 0)
    known.put(KEY, DOWN, 500)
    for key in (KEY, KEY._replace(digest="")):
        before = known.before(key, 1000)
        assert before is not None
        assert before.checked is GOOD
        assert known.before(key, 1000.1) is None
    assert known.before(KEY._replace(access="other", digest=""), 500) is None
    assert known.before(KEY._replace(digest="sha256:2"), 500) is None


def test_refusals_push_out_no_success() -> None:
    known = cache(refused_bytes=10_000)
    known.put(KEY, GOOD, 0)
    for number in range(1000):
        known.put(KEY._replace(name=f"{number}"), BAD, 0)
    assert known.get(KEY, 1) is not None
    assert len(known) < 20


def test_the_least_recently_used_goes_first() -> None:
    known: Bounded[str, int] = Bounded(3, lambda value: value)
    for key in "abc":
        known.put(key, 1)
    known.get("a")
    known.put("d", 1)
    assert [known.get(key) for key in "abcd"] == [1, None, 1, 1]
    assert known.weight == 3


def test_what_is_too_heavy_is_not_kept_and_pushes_nothing_out() -> None:
    known: Bounded[str, int] = Bounded(10, lambda value: value)
    known.put("a", 5)
    known.put("b", 11)
    assert known.get("b") is None
    assert known.get("a") == 5
    known.put("a", 7)
    assert known.weight == 7
    known.drop("a")
    known.drop("a")
    assert (known.weight, len(known)) == (0, 0)


def test_weight_grows_with_what_was_found() -> None:
    heavy = replace(GOOD.result, found=(Found("referrers", "bundle", "d", why_not="x" * 1000),) * 10)
    assert weight(heavy) > 10_000 > weight(GOOD.result)


def test_memory_is_bounded() -> None:
    known = cache(verified_bytes=100_000)
    heavy = Checked(replace(GOOD.result, found=(Found("referrers", "bundle", "d", why_not="x" * 10_000),)), "")
    for number in range(100):
        known.put(KEY._replace(name=f"{number}"), heavy, 0)
    assert 1 <= len(known) <= 10


def test_threads_may_share_it() -> None:
    known = cache(verified_bytes=50_000, refused_bytes=50_000)
    failed = []

    def work(seed: int) -> None:
        try:
            for number in range(2000):
                key = KEY._replace(name=f"{(number * seed) % 150}")
                known.put(key, (GOOD, BAD, DOWN)[number % 3], number)
                known.get(key, number)
                known.before(key._replace(digest=""), number)
        except Exception as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert known._verified.weight == sum(weight for _, weight in known._verified._items.values())

"""The engine: concurrent, joined, remembered, bounded by deadlines, and never on the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.core.images.judge import ImageRequest
from app.core.images.policy import Static
from app.core.images.reference import Reference
from app.core.images.result import ImageResult
from app.images.engine import Verifier
from app.images.engine_settings import ANYBODY, Caller, EngineSettings
from app.images.registry import Credential, InvalidCredentials
from app.images.roots import Roots
from tests.simulators.registry import OciRegistry
from tests.simulators.registry_faults import delay, hang, reply
from tests.unit.images.image_world import (
    EVIL,
    KEY,
    REPOSITORY,
    Shop,
    authority,
    key_authority,
    policy,
    root_file,
)


class Clock:
    """A monotonic clock that tests move; it starts at the real time, as deadlines are real."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Pulls:
    """Credentials, and how often they were asked for."""

    def __init__(self, *names: str, trouble: Exception | None = None) -> None:
        self.names, self.trouble, self.asked = names, trouble, 0

    def candidates(self, context: str) -> Sequence[Credential]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return [Credential(username=name, password="canary") for name in self.names]


def ask(
    verifier: Verifier, *requests: ImageRequest, caller: Caller = ANYBODY, seconds: float = 10
) -> list[ImageResult]:
    results = asyncio.run(verifier.verify(requests, caller, time.monotonic() + seconds))
    assert results.keys() == {(request.image, request.policy.name) for request in requests}
    return [results[request.image, request.policy.name] for request in requests]


def calls(shop: Shop, *parts: str) -> int:
    return sum(any(part in path for part in parts) for path in shop.registry.paths())


# -- remembering ------------------------------------------------------------------------------------------------------


def test_known_images_make_no_call(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier()
    request = shop.request(f"@{digest}")
    assert verifier.known([request]) is None
    (result,) = ask(verifier, request)
    assert result.ok
    count = len(shop.registry.requests)
    for _ in range(100):
        assert verifier.known([request]) == {(request.image, "ci"): result}
    assert ask(verifier, request) == [result]
    assert len(shop.registry.requests) == count


def test_nothing_is_known_unless_everything_is(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier()
    known, unknown = shop.request(f"@{digest}"), shop.request(":other")
    ask(verifier, known)
    assert verifier.known([known, unknown]) is None
    assert verifier.known([]) == {}


def test_a_refusal_is_known_briefly(shop: Shop) -> None:
    clock = Clock()
    digest = shop.image()
    verifier = shop.verifier(clock=clock)
    request = shop.request(f"@{digest}")
    (result,) = ask(verifier, request)
    assert not result.ok
    assert verifier.known([request]) == {(request.image, "ci"): result}
    shop.bundle(digest)
    clock.ahead = 11
    assert verifier.known([request]) is None
    assert ask(verifier, request)[0].ok


def test_an_edited_policy_flips_the_verdict_at_once(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier()
    assert ask(verifier, shop.request(f"@{digest}"))[0].ok
    edited = shop.request(f"@{digest}", policy(key_authority()))
    assert verifier.known([edited]) is None
    assert not ask(verifier, edited)[0].ok
    assert ask(verifier, shop.request(f"@{digest}"))[0].ok


def test_a_changed_trust_root_flips_the_verdict_at_once(shop: Shop, tmp_path: Any) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier, request = shop.verifier(), shop.request(f"@{digest}")
    assert ask(verifier, request)[0].ok
    root_file(tmp_path, EVIL)
    shop.roots.poll()
    assert verifier.known([request]) is None
    assert not ask(verifier, request)[0].ok


def test_what_one_secret_can_see_tells_another_nothing(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier, request = shop.verifier(), shop.request(f"@{digest}")
    ann, bob = Caller("ns-a", Pulls("ann")), Caller("ns-b", Pulls("bob"))
    assert ask(verifier, request, caller=ann)[0].ok
    assert verifier.known([request], ann) is not None
    assert verifier.known([request], bob) is None
    shop.registry.fault(reply(401))
    (denied,) = ask(verifier, request, caller=bob)
    assert not denied.ok
    assert denied.unknown is not None
    assert verifier.known([request], ann)[request.image, "ci"].ok  # type: ignore[index]


def test_callers_with_equal_credentials_share_and_are_asked_for_them_once(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier, request = shop.verifier(), shop.request(f"@{digest}")
    ask(verifier, request, caller=Caller("ns-a", Pulls("ann")))
    count = len(shop.registry.requests)
    pulls = Pulls("ann")
    assert ask(verifier, request, caller=Caller("ns-b", pulls))[0].ok
    assert len(shop.registry.requests) == count
    asked = pulls.asked
    assert verifier.known([request], Caller("ns-b", pulls)) is not None
    assert pulls.asked == asked


def test_credentials_that_cannot_be_read_are_told(shop: Shop) -> None:
    digest = shop.image()
    pulls = Pulls(trouble=InvalidCredentials("pull secret regcred cannot be read"))
    (result,) = ask(shop.verifier(), shop.request(f"@{digest}"), caller=Caller("ns", pulls))
    assert not result.ok
    assert result.unknown is not None
    assert "regcred" in result.unknown.cause
    assert not shop.registry.requests


def test_a_tag_is_looked_up_again_after_a_few_seconds(shop: Shop) -> None:
    clock = Clock()
    first, second = shop.image("v1"), shop.image("v2")
    shop.bundle(first)
    verifier, request = shop.verifier(clock=clock), shop.request(":v1")
    assert ask(verifier, request)[0].digest == first
    shop.registry.tag(REPOSITORY, "v1", second)
    assert verifier.known([request])[request.image, "ci"].digest == first  # type: ignore[index]
    clock.ahead = 5
    assert verifier.known([request]) is None
    (moved,) = ask(verifier, request)
    assert (moved.ok, moved.digest) == (False, second)


def test_a_tag_is_looked_up_once_for_all_policies_of_a_review(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    shop.legacy(digest, KEY)
    verifier = shop.verifier()
    results = ask(
        verifier, *(shop.request(":v1", policy(one, name=f"{one.by}")) for one in (authority(), key_authority()))
    )
    assert [(result.ok, result.digest) for result in results] == [(True, digest)] * 2
    assert calls(shop, "/manifests/v1") == 1


def test_names_of_one_image_share_a_verdict_and_keep_their_spelling(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier()
    ask(verifier, shop.request(f"@{digest}"))
    count = len(shop.registry.requests)
    tagged = shop.request(f":whatever@{digest}")
    assert verifier.known([tagged])[tagged.image, "ci"].image == tagged.image  # type: ignore[index]
    assert len(shop.registry.requests) == count


def test_what_will_soon_be_too_old_is_renewed_in_the_background(shop: Shop) -> None:
    clock = Clock()
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier(EngineSettings(verified_seconds=1000, access_seconds=10_000), clock=clock)
    request = shop.request(f"@{digest}")
    ask(verifier, request)
    clock.ahead = 850
    assert verifier.known([request]) is not None
    wait_for(lambda: calls(shop, "/referrers/") == 2)
    wait_for(lambda: not verifier._flights)
    clock.ahead = 1200
    assert verifier.known([request]) is not None


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


# -- static and digests -----------------------------------------------------------------------------------------------


def test_static_policies_need_no_registry(shop: Shop) -> None:
    verifier = shop.verifier()
    passes = shop.request(":v1", policy(authority(Static("pass"))))
    fails = shop.request(":v1", policy(authority(Static("fail")), name="no"))
    known = verifier.known([passes, fails])
    assert known is not None
    assert [one.ok for one in known.values()] == [True, False]
    assert [one.ok for one in ask(verifier, passes, fails)] == [True, False]
    assert not shop.registry.requests


def test_a_digest_that_the_policy_wants_is_found_even_for_a_static_one(shop: Shop) -> None:
    digest = shop.image()
    rule = policy(authority(Static("pass")), digest_required=True)
    (result,) = ask(shop.verifier(), shop.request(":v1", rule))
    assert (result.ok, result.digest) == (True, digest)


# -- concurrency ------------------------------------------------------------------------------------------------------


def test_equal_checks_are_one(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    verifier, request = shop.verifier(), shop.request(":v1")

    async def many() -> list[Any]:
        deadline = time.monotonic() + 10
        return await asyncio.gather(*(verifier.verify([request], ANYBODY, deadline) for _ in range(50)))

    assert all(one[request.image, "ci"].ok for one in asyncio.run(many()))
    assert calls(shop, "/manifests/v1") == 1
    assert calls(shop, "/referrers/") == 1
    assert calls(shop, "/blobs/") == 1


def test_images_are_checked_at_the_same_time(shop: Shop) -> None:
    digests = [shop.image(f"v{number}") for number in range(5)]
    for digest in digests:
        shop.bundle(digest)
    together = threading.Barrier(5)

    def meet(visit: Any) -> None:
        together.wait(5)  # passes only if five requests are under way
        visit.reply(404)

    shop.registry.fault(meet, "*/referrers/*")
    results = ask(shop.verifier(), *(shop.request(f"@{digest}") for digest in digests))
    assert len(results) == 5
    assert not together.broken


def test_whoever_leaves_does_not_take_the_result_from_others(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    release = threading.Event()

    def wait(visit: Any) -> None:
        release.wait(10)
        visit.reply(404)

    shop.registry.fault(wait, "*/referrers/*", times=1)
    shop.legacy(digest)
    verifier, request = shop.verifier(), shop.request(f"@{digest}")

    async def both() -> ImageResult:
        hasty = asyncio.create_task(verifier.verify([request], ANYBODY, time.monotonic() + 10))
        patient = asyncio.create_task(verifier.verify([request], ANYBODY, time.monotonic() + 10))
        while not calls(shop, "/referrers/"):  # noqa: ASYNC110 - the registry is another thread
            await asyncio.sleep(0.005)
        hasty.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await hasty
        return (await patient)[request.image, "ci"]

    assert asyncio.run(both()).ok


# -- deadlines and outages --------------------------------------------------------------------------------------------


def test_a_registry_that_hangs_costs_no_more_than_the_deadline_and_is_named(shop: Shop) -> None:
    digest = shop.image()
    shop.registry.fault(hang())
    started = time.monotonic()
    (result,) = ask(shop.verifier(EngineSettings(patience_seconds=1)), shop.request(f"@{digest}"), seconds=0.3)
    assert time.monotonic() - started < 1
    assert not result.ok
    assert result.unknown is not None
    for word in (shop.registry.netloc, "(0.3 s)", "try again"):
        assert word in result.unknown.cause
    assert result.unknown.cause in result.reason


def test_a_check_goes_on_after_its_review_and_the_next_one_finds_the_result(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    release = threading.Event()

    def slow(visit: Any) -> None:
        release.wait(10)
        visit.reply(404)

    shop.registry.fault(slow, "*/referrers/*", times=1)
    shop.legacy(digest)
    verifier, request = shop.verifier(), shop.request(f"@{digest}")
    assert not ask(verifier, request, seconds=0.2)[0].ok
    release.set()
    wait_for(lambda: verifier.known([request]) is not None)
    assert verifier.known([request])[request.image, "ci"].ok  # type: ignore[index]


def test_a_slow_registry_does_not_delay_another(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    with OciRegistry() as slow:
        slow.fault(hang())
        settings = replace(shop.client._settings, hosts={"127.0.0.1": slow.client_settings()})
        shop.client._settings = settings
        verifier = shop.verifier(EngineSettings(patience_seconds=1))
        stuck = [f"{slow.netloc}/app{number}:v1" for number in range(40)]

        async def both() -> tuple[float, ImageResult]:
            late = [ImageRequest(Reference.parse(text), text, policy()) for text in stuck]
            waiting = asyncio.create_task(verifier.verify(late, ANYBODY, time.monotonic() + 0.8))
            await asyncio.sleep(0.05)
            started = time.monotonic()
            request = shop.request(f"@{digest}")
            result = (await verifier.verify([request], ANYBODY, time.monotonic() + 5))[request.image, "ci"]
            seconds = time.monotonic() - started
            assert not waiting.done()
            results = await waiting
            assert len(results) == len(stuck)
            assert all(one.unknown is not None for one in results.values())
            return seconds, result

        seconds, result = asyncio.run(both())
    assert result.ok
    assert seconds < 0.5


OUTAGE = EngineSettings(on_outage="allow-if-verified-before", verified_seconds=100, stale_seconds=1000)


@pytest.mark.parametrize("name", [":v1", "@"])
@pytest.mark.parametrize("ahead,ok", [(200, True), (1001, False)])
def test_an_outage_admits_what_was_verified_before_within_its_staleness(
    shop: Shop, name: str, ahead: float, ok: bool
) -> None:
    clock = Clock()
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier(OUTAGE, clock=clock)
    request = shop.request(f"@{digest}" if name == "@" else name)
    assert ask(verifier, request)[0].unknown is None
    clock.ahead = ahead
    shop.registry.fault(reply(503, Retry_After="60"))
    for _ in range(2):
        (result,) = ask(verifier, request)
        assert (result.ok, result.digest) == (ok, digest if ok or name == "@" else "")
        assert result.unknown is not None
        assert shop.registry.netloc in result.unknown.cause
    if ok:
        for word in (digest, "3 min ago", "allow-if-verified-before"):
            assert word in result.unknown.cause
        assert verifier.known([request]) == {(request.image, "ci"): result}


@pytest.mark.parametrize(
    "change",
    ["never verified", "another policy", "another caller", "refused login", "signature removed", "deny"],
)
def test_an_outage_admits_nothing_else(shop: Shop, change: str) -> None:
    clock = Clock()
    digest = shop.image()
    shop.bundle(digest)
    settings = replace(OUTAGE, on_outage="deny") if change == "deny" else OUTAGE
    verifier, caller = shop.verifier(settings, clock=clock), ANYBODY
    request = shop.request(f"@{digest}")
    if change != "never verified":
        assert ask(verifier, request)[0].ok
    clock.ahead = 200
    if change == "signature removed":
        shop.registry._repositories[REPOSITORY].referrers.clear()
        assert not ask(verifier, request)[0].ok
        clock.ahead = 300
    if change == "another policy":
        request = shop.request(f"@{digest}", policy(key_authority()))
    if change == "another caller":
        caller = Caller("ns", Pulls("bob"))
    shop.registry.fault(reply(401 if change == "refused login" else 503, Retry_After="60"))
    (result,) = ask(verifier, request, caller=caller)
    assert not result.ok


def test_a_hanging_registry_is_an_outage(shop: Shop) -> None:
    clock = Clock()
    digest = shop.image()
    shop.bundle(digest)
    verifier = shop.verifier(replace(OUTAGE, patience_seconds=0.5), clock=clock)
    ask(verifier, shop.request(":v1"))
    clock.ahead = 200
    shop.registry.fault(hang())
    (result,) = ask(verifier, shop.request(":v1"), seconds=0.2)
    assert (result.ok, result.digest) == (True, digest)
    assert result.unknown is not None


def test_secrets_are_in_no_result(shop: Shop) -> None:
    digest = shop.image()
    shop.registry.fault(reply(401))
    (result,) = ask(shop.verifier(), shop.request(f"@{digest}"), caller=Caller("ns", Pulls("ann")))
    assert "canary" not in repr(result)


def test_too_much_at_a_time_is_told_and_not_queued_forever(shop: Shop) -> None:
    shop.registry.fault(hang())
    verifier = shop.verifier(EngineSettings(threads=2, per_registry=1, waiting=3, patience_seconds=0.5))
    results = ask(verifier, *(shop.request(f":v{number}") for number in range(20)), seconds=0.3)
    assert len(results) == 20
    assert any("waiting already" in one.unknown.cause for one in results if one.unknown)
    assert not any(one.ok for one in results)


# -- the event loop ---------------------------------------------------------------------------------------------------


def test_computing_happens_beside_the_event_loop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop_thread = threading.get_ident()
    used: set[int] = set()
    real = shop.client._session.fetch

    def fetch(*arguments: Any) -> Any:
        used.add(threading.get_ident())
        return real(*arguments)

    monkeypatch.setattr(shop.client._session, "fetch", fetch)
    digest = shop.image()
    shop.bundle(digest)
    assert ask(shop.verifier(), shop.request(":v1"))[0].ok
    assert used
    assert loop_thread not in used


def test_roots_that_are_not_there_are_told(shop: Shop) -> None:
    digest = shop.image()
    verifier = Verifier(shop.client, Roots({}))
    (result,) = ask(verifier, shop.request(f"@{digest}"))
    assert result.unknown is not None
    assert "default trust root" in result.unknown.cause


def test_delays_of_a_registry_are_not_added_up_over_images(shop: Shop) -> None:
    digests = [shop.image(f"v{number}") for number in range(5)]
    shop.registry.fault(delay(0.3, reply(404)), "*/referrers/*")
    for digest in digests:
        shop.legacy(digest)
    started = time.monotonic()
    assert all(one.ok for one in ask(shop.verifier(), *(shop.request(f"@{digest}") for digest in digests)))
    assert time.monotonic() - started < 1.2

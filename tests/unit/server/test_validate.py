"""The endpoint: from what a client sends to one answer and one record, under limits and a deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from app.catalog import catalog
from app.core import message, plan
from app.core.check import Since
from app.core.decision import Decision
from app.core.facts import Facts
from app.core.finding import Finding
from app.core.plan import Snapshot, labelled
from app.core.pod import Pod
from app.core.review import Need
from app.core.unknown import Unknown
from app.core.version import Level
from app.server import validate
from app.server.limits import Limits
from app.server.validate import LARGE, Validate, seconds_to_answer
from tests.unit.core.reviews import BAD_SPEC, GOOD_SPEC, POD, body_of, labels, namespace_json, request_json, snapshot

GOOD = body_of(request_json(POD, GOOD_SPEC))
BAD = body_of(request_json(POD, BAD_SPEC))
JSON = [(b"content-type", b"application/json")]
SECRET = "hunter2-do-not-tell"


@dataclass
class Configured:
    snapshot: Snapshot


@dataclass
class Recorded:
    decisions: list[tuple[Decision, float]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def record(self, decision: Decision, seconds: float) -> None:
        self.decisions.append((decision, seconds))

    def refused(self, cause: str, detail: str) -> None:
        self.refusals.append((cause, detail))


@dataclass
class Facing:
    """Facts at hand, or fetched."""

    at_hand: Facts | None = field(default_factory=Facts)
    fetched: Facts = field(default_factory=Facts)
    error: Exception | None = None
    asked: list[tuple[Need, float]] = field(default_factory=list)

    def known(self, need: Need, _: Any) -> Facts | None:
        if self.error is not None:
            raise self.error
        return self.at_hand

    async def fetch(self, need: Need, _: Any, deadline: float) -> Facts:
        self.asked.append((need, deadline))
        return self.fetched


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        assert self.status == 200
        assert self.headers[b"content-type"] == b"application/json"
        found: dict[str, Any] = msgspec.json.decode(self.body)["response"]
        return found

    @property
    def text(self) -> str:
        assert self.headers[b"content-type"] == b"text/plain; charset=utf-8"
        return self.body.decode("ascii")


class Endpoint:
    """The endpoint with everything around it replaced."""

    def __init__(self, by: Snapshot | None = None, limits: Limits | None = None, facing: Facing | None = None) -> None:
        self.recorded = Recorded()
        self.facing = facing or Facing()
        self.time = 100.0
        self.limits = limits or Limits()
        configured = Configured(by or snapshot("baseline"))
        self.endpoint = Validate(configured, self.facing, self.limits, self.recorded, lambda: self.time)  # type: ignore[arg-type]

    async def post(
        self,
        *chunks: bytes | None,
        headers: Iterable[tuple[bytes, bytes]] = JSON,
        query: bytes = b"timeout=10s",
        **scope: Any,
    ) -> Answer:
        """Send chunks of a body; None never comes."""
        sent: list[dict[str, Any]] = []
        waiting = list(chunks)

        async def receive() -> dict[str, Any]:
            chunk = waiting.pop(0)
            if chunk is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

        async def send(sending: Any) -> None:
            sent.append(sending)

        await self.endpoint({"query_string": query, "headers": list(headers), **scope}, receive, send)
        start, body = sent
        assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
        answer = Answer(start["status"], dict(start["headers"]), body["body"])
        assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
        return answer


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_a_good_pod() -> None:
    endpoint = Endpoint()
    answer = await endpoint.post(GOOD)
    assert answer.response["allowed"] is True
    ((decision, seconds),) = endpoint.recorded.decisions
    assert (decision.allowed, seconds) == (True, 0.0)
    assert endpoint.recorded.refusals == []
    assert b"connection" not in answer.headers


async def test_a_bad_pod() -> None:
    endpoint = Endpoint()
    assert (await endpoint.post(BAD)).response["status"]["code"] == 403
    assert [decision.allowed for decision, _ in endpoint.recorded.decisions] == [False]


@pytest.mark.parametrize("complete", [True, False])
async def test_a_body_in_pieces(complete: bool) -> None:
    pieces = [BAD[start : start + 7] for start in range(0, len(BAD), 7)]
    assert (await Endpoint().post(*pieces, body_complete=complete)).response["allowed"] is False


@pytest.mark.parametrize(
    "body,status,cause,text",
    [
        (b"", 400, "empty", "the request has no body; POST an AdmissionReview"),
        (b"{", 400, "malformed", "AdmissionReview is not valid JSON: Input data was truncated"),
        (b"{}", 400, "malformed", "expected AdmissionReview of admission.k8s.io/v1, not no kind of no apiVersion"),
        (b"\xff", 400, "malformed", "AdmissionReview is not valid JSON: JSON is malformed: invalid character (byte 0)"),
        (b"[" * 100_000, 400, "malformed", "AdmissionReview is nested too deeply"),
    ],
)
async def test_what_is_no_review(body: bytes, status: int, cause: str, text: str) -> None:
    endpoint = Endpoint()
    answer = await endpoint.post(body)
    assert answer.status == status
    if cause != "malformed" or body in (b"{}", b"\xff"):
        assert answer.text == text
    assert endpoint.recorded.refusals == [(cause, answer.text)]
    assert endpoint.recorded.decisions == []


@pytest.mark.parametrize(
    "headers,status,cause",
    [
        ([], 415, "content-type"),
        ([(b"content-type", b"")], 415, "content-type"),
        ([(b"content-type", b"text/plain")], 415, "content-type"),
        ([(b"content-type", b"application/jsonx")], 415, "content-type"),
        ([(b"content-type", b"text/json; application/json")], 415, "content-type"),
        ([*JSON, (b"content-encoding", b"gzip")], 415, "content-encoding"),
        ([*JSON, (b"content-encoding", b"")], 415, "content-encoding"),
        ([*JSON, (b"content-length", b"8388609")], 413, "too-large"),
        ([*JSON, (b"content-length", b"9" * 19)], 413, "too-large"),
    ],
)
async def test_headers_alone_can_refuse(headers: list[tuple[bytes, bytes]], status: int, cause: str) -> None:
    endpoint = Endpoint()
    answer = await endpoint.post(None, headers=headers)  # the body never comes, and is not waited for
    assert answer.status == status
    assert endpoint.recorded.refusals == [(cause, answer.text)]
    assert (answer.headers.get(b"connection") == b"close") is (status == 413)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-type", b"application/json; charset=utf-8")],
        [(b"content-type", b"Application/JSON ;x=y")],
        [*JSON, (b"content-encoding", b"identity")],
        [*JSON, (b"content-length", b"8388608")],
        [*JSON, (b"content-length", b"9" * 20)],
        [*JSON, (b"content-length", b"-1")],
        [*JSON, (b"accept", b"text/plain")],
    ],
)
async def test_other_headers_do_not(headers: list[tuple[bytes, bytes]]) -> None:
    assert (await Endpoint().post(GOOD, headers=headers)).response["allowed"] is True


@pytest.mark.parametrize("complete", [True, False])
async def test_a_body_is_not_read_beyond_its_limit(complete: bool) -> None:
    endpoint = Endpoint(limits=Limits(max_body_bytes=len(GOOD) - 1))
    answer = await endpoint.post(GOOD[:-10], GOOD[-10:], b"never read", None, body_complete=complete)
    assert answer.status == 413
    assert answer.text.startswith(f"the body is larger than {len(GOOD) - 1} bytes")
    assert answer.headers[b"connection"] == b"close"
    exactly = Endpoint(limits=Limits(max_body_bytes=len(GOOD)))
    assert (await exactly.post(GOOD)).response["allowed"] is True


async def test_a_body_that_does_not_come_in_time() -> None:
    endpoint = Endpoint(limits=Limits(body_seconds=0.05))
    answer = await endpoint.post(GOOD[:10], None)
    assert (answer.status, answer.headers[b"connection"]) == (408, b"close")
    assert answer.text == "the body did not arrive within 0.1 s"
    assert endpoint.recorded.refusals == [("body-timeout", answer.text)]


async def test_a_body_has_no_longer_than_the_answer() -> None:
    endpoint = Endpoint(limits=Limits(body_seconds=3600.0))
    assert (await endpoint.post(GOOD[:10], None, query=b"timeout=50ms")).status == 408


async def test_a_client_that_leaves() -> None:
    endpoint = Endpoint()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(sending: Any) -> None:
        sent.append(sending)

    await endpoint.endpoint({"query_string": b"", "headers": JSON}, receive, send)
    assert sent[0]["status"] == 400
    assert endpoint.recorded.refusals[0][0] == "disconnect"


# --- facts ------------------------------------------------------------------------------------------------------------


async def test_facts_at_hand_are_not_fetched() -> None:
    endpoint = Endpoint(facing=Facing(Facts(labels(enforce="privileged", warn="privileged"))))
    assert (await endpoint.post(BAD)).response["allowed"] is True
    assert endpoint.facing.asked == []


async def test_facts_that_are_not_at_hand_are_fetched_until_the_deadline() -> None:
    endpoint = Endpoint(facing=Facing(None, Facts(Unknown("namespace is unknown"))))
    response = (await endpoint.post(GOOD, query=b"timeout=5s")).response
    assert response["status"]["message"] == "cannot judge this request: namespace is unknown"
    assert endpoint.facing.asked == [(Need.NAMESPACE, pytest.approx(104.8))]


async def test_pods_of_a_namespace_are_judged_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watch(monkeypatch, "judge")
    endpoint = Endpoint(snapshot())
    body = body_of(namespace_json(labels(enforce="baseline"), {}))
    assert (await endpoint.post(body)).response["allowed"] is True
    assert threads[0] is not threading.main_thread()


def watch(monkeypatch: pytest.MonkeyPatch, name: str) -> list[threading.Thread]:
    """The threads in which a step runs."""
    threads: list[threading.Thread] = []
    step = getattr(validate, name)

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return step(*arguments)

    monkeypatch.setattr(validate, name, watched)
    return threads


@pytest.mark.parametrize("name", ["judge", "decode_review"])
async def test_large_reviews_are_read_and_judged_beside_the_event_loop(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = watch(monkeypatch, name)
    large = body_of(request_json(POD, BAD_SPEC, options={"padding": "x" * LARGE}))
    assert (await Endpoint().post(large)).response["allowed"] is False
    assert (await Endpoint().post(BAD)).response["allowed"] is False
    assert [thread is threading.main_thread() for thread in threads] == [False, True]


async def test_large_rubbish_is_refused_as_small_is() -> None:
    endpoint = Endpoint()
    assert (await endpoint.post(b"[" * LARGE)).status == 400
    assert endpoint.recorded.refusals[0][0] == "malformed"


# --- deadlines and bugs -----------------------------------------------------------------------------------------------


def with_rule(find: Callable[[Pod], Iterable[Finding]]) -> Snapshot:
    """A snapshot whose only rule, at every level, is this one."""
    rule = (replace(catalog().checks[0], id="check-a"), Since("v1.0", find))
    return replace(snapshot("baseline"), rules={Level.BASELINE: ((rule,),), Level.RESTRICTED: ((rule,),)})


async def test_a_review_that_takes_too_long_is_refused_in_time() -> None:
    ended = threading.Event()

    def slow(_: Pod) -> Iterable[Finding]:
        ended.wait(30)
        return ()

    endpoint = Endpoint(with_rule(slow))
    large = body_of(request_json(POD, GOOD_SPEC, options={"padding": "x" * LARGE}))
    try:
        response = (await endpoint.post(large, query=b"timeout=200ms")).response
    finally:
        ended.set()
    assert response["uid"] == "uid-1"
    assert (response["allowed"], response["status"]["code"], response["status"]["reason"]) == (False, 504, "Timeout")
    assert "longer than the apiserver would wait" in response["status"]["message"]
    ((decision, _),) = endpoint.recorded.decisions
    assert decision.refusal is not None
    assert decision.refusal.code == 504


async def test_a_check_that_raises_is_a_denial_that_tells_nothing_of_ours() -> None:
    def bad(_: Pod) -> Iterable[Finding]:
        raise KeyError(SECRET)

    endpoint = Endpoint(with_rule(bad))
    answer = await endpoint.post(GOOD)
    assert answer.response["status"]["code"] == 500
    assert "check-a" in answer.response["status"]["message"]
    assert SECRET.encode() not in answer.body
    ((decision, _),) = endpoint.recorded.decisions
    assert [str(fault.error) for fault in decision.enforce.faults] == [repr(SECRET)]


async def test_a_bug_anywhere_else_is_a_denial_with_a_reference() -> None:
    endpoint = Endpoint(facing=Facing(error=RuntimeError(SECRET)))
    answer = await endpoint.post(GOOD)
    status = answer.response["status"]
    assert (answer.response["allowed"], status["code"], status["reason"]) == (False, 500, "InternalError")
    assert status["message"] == "this review could not be judged because of an internal error; reference uid-1"
    assert SECRET.encode() not in answer.body
    ((decision, _),) = endpoint.recorded.decisions
    assert [(fault.check, str(fault.error)) for fault in decision.enforce.faults] == [("review", SECRET)]


@pytest.mark.parametrize(
    "query,seconds",
    [
        (b"timeout=10s", 9.8),
        (b"", 9.8),
        (b"timeout=", 9.8),
        (b"timeout=x", 9.8),
        (b"timeout=0s", 9.8),
        (b"timeout=-1s", 9.8),
        (b"other=3s", 9.8),
        (b"timeout=1s", 0.8),
        (b"timeout=30s&x=y", 29.8),
        (b"timeout=1s&timeout=2s", 1.8),
        (b"timeout=1m", 59.8),
        (b"timeout=2m", 59.8),
        (b"timeout=999999h", 59.8),
        (b"timeout=400ms", 0.2),
        (b"timeout=300ms", 0.15),
        (b"timeout=100ms", 0.05),
        (b"timeout=%31s", 0.8),
        (b"timeout=\xff", 9.8),
        (b"x=" + b"y" * 230 + b"&timeout=1s", 0.8),
        (b"x=" + b"y" * 300 + b"&timeout=1s", 9.8),
    ],
)
def test_the_answer_leaves_before_the_apiserver_gives_up(query: bytes, seconds: float) -> None:
    assert seconds_to_answer(query, Limits()) == pytest.approx(seconds)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_nothing_is_remembered_of_what_only_a_hostile_client_sends() -> None:
    hostile = [
        (validate._seconds_to_answer, lambda size: seconds_to_answer(b"x=" + b"y" * size, Limits())),
        (plan._remembered, lambda size: labelled(labels(enforce="x" * size), plan.Modes())),
        (message._remembered, lambda size: message.tell((Finding("a", "p" * size, "1", "be 2", "x"),))),
        (message._remembered, lambda size: message.tell((Finding("a", "p", "1", "be 2", "x", container="c" * size),))),
        (message._remembered, lambda size: message.tell((Finding("a", "p", "1", "be 2", "x", volume="v" * size),))),
    ]
    for cache, use in hostile:
        cache.cache_clear()
        use(100_000)
        use(100_001)
        assert cache.cache_info().currsize <= 1
        use(10)
        use(10)
        assert cache.cache_info().hits >= 1

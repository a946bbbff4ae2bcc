"""The admission endpoint: one review from bytes to bytes.

A raw ASGI endpoint, because models and dependency injection on this path cost three times what judging does. It is the
one place that names every step; each of them is pure but `gather`, `send` and `record`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import parse_qs

from app.core.decision import Decision, Refusal
from app.core.decode import decode_review
from app.core.envelope import AdmissionRequest
from app.core.evaluate import Fault, Verdict
from app.core.facts import Facts
from app.core.message import one_line
from app.core.plan import Snapshot
from app.core.respond import respond
from app.core.review import Need, judge, needs, request_of
from app.errors import MalformedReview
from app.gather import Gather
from app.server.application import Receive, Scope, Send
from app.server.duration import seconds_of
from app.server.limits import Limits

LARGE: Final = 128 * 1024
"""Bytes of a body from which on it is read and judged beside the event loop, so that others need not wait for it."""

_CLOSING: Final = frozenset({408, 413})
"""Statuses after which unread parts of the body may follow, so that the connection cannot be used again."""
_CLOSE: Final = (b"connection", b"close")
_LONGEST_LENGTH: Final = 20
_LONGEST_QUERY: Final = 256
_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


class Configured(Protocol):
    """Where the snapshot in force is found."""

    @property
    def snapshot(self) -> Snapshot:
        """Give the one in force now; taken once per review."""


class Record(Protocol):
    """Who hears of what was answered."""

    def record(self, decision: Decision, seconds: float) -> None:
        """Hear of one review."""

    def refused(self, cause: str, detail: str) -> None:
        """Hear of a request that never became a review."""


class Refused(Exception):  # noqa: N818 - an outcome, not an error of ours
    """A request that cannot become a review: an HTTP status and one line."""

    def __init__(self, status: int, cause: str, text: str) -> None:
        super().__init__(text)
        self.status, self.cause, self.text = status, cause, text


class Validate:
    """`POST /validate`: AdmissionReview in, AdmissionReview out."""

    def __init__(
        self,
        configured: Configured,
        gather: Gather,
        limits: Limits,
        recorder: Record,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Judge by `configured.snapshot` and what `gather` knows, within `limits`."""
        self._configured = configured
        self._gather = gather
        self._limits = limits
        self._recorder = recorder
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: a review with 200, whatever its verdict, or what is no review with 4xx."""
        started = self._clock()
        try:
            deadline = started + seconds_to_answer(scope["query_string"], self._limits)
            body = await self._body(scope, receive, deadline)
            arrived = self._clock()
            review = decode_review(body) if len(body) < LARGE else await asyncio.to_thread(decode_review, body)
            request = request_of(review)
        except Refused as refused:
            self._recorder.refused(refused.cause, refused.text)
            await _answer(send, refused.status, _TEXT, refused.text.encode("ascii", "backslashreplace"))
            return
        except MalformedReview as error:
            self._recorder.refused("malformed", error.summary)
            await _answer(send, 400, _TEXT, error.summary.encode("ascii", "backslashreplace"))
            return
        decision, answer = await self._decide(request, len(body), deadline)
        await _answer(send, 200, _JSON, answer)
        self._recorder.record(decision, self._clock() - arrived)

    async def _decide(self, request: AdmissionRequest, size: int, deadline: float) -> tuple[Decision, bytes]:
        snapshot = self._configured.snapshot
        try:
            need = needs(request, snapshot)
            facts = self._gather.known(need, request)
            if facts is None:
                facts = await self._gather.fetch(need, request, deadline)
            if size >= LARGE or need is Need.PODS:
                async with asyncio.timeout(max(0.0, deadline - self._clock())):
                    return await asyncio.to_thread(_judged, request, snapshot, facts)
            return _judged(request, snapshot, facts)
        except TimeoutError:
            text = "this review took longer than the apiserver would wait; it is refused and may be tried again"
            late = Decision(request=request, allowed=False, refusal=Refusal(504, "Timeout", text), error=text)
            return late, respond(late)
        except Exception as error:  # noqa: BLE001 - a bug of ours must end in a denial
            broken = _broken(request, error)
            return broken, respond(broken)

    async def _body(self, scope: Scope, receive: Receive, deadline: float) -> bytes:
        limit = self._limits.max_body_bytes
        _check_headers(scope["headers"], limit)
        if scope.get("body_complete"):  # a timer would cost as much as half the decoding
            return _not_empty(await _read(receive, limit))
        seconds = min(self._limits.body_seconds, deadline - self._clock())
        try:
            async with asyncio.timeout(seconds):
                body = await _read(receive, limit)
        except TimeoutError:
            raise Refused(408, "body-timeout", f"the body did not arrive within {seconds:.1f} s") from None
        return _not_empty(body)


def _not_empty(body: bytes) -> bytes:
    if not body:
        raise Refused(400, "empty", "the request has no body; POST an AdmissionReview")
    return body


def seconds_to_answer(query: bytes, limits: Limits) -> float:
    """How long an answer may take: what the apiserver waits (`?timeout=`), less a margin for the way back.

    One that means nothing is no reason to refuse a review: the apiserver's default stands in for it. A query that is
    longer than an apiserver's is not looked at, let alone remembered.
    """
    return _seconds_to_answer(query if len(query) <= _LONGEST_QUERY else b"", limits)


@lru_cache(maxsize=256)
def _seconds_to_answer(query: bytes, limits: Limits) -> float:
    values = parse_qs(query.decode("ascii", "replace")).get("timeout")
    asked = (seconds_of(values[-1]) if values else None) or limits.deadline_seconds
    asked = min(asked, limits.request_seconds)
    return max(asked - limits.answer_margin_seconds, asked / 2)


async def _read(receive: Receive, limit: int) -> bytes:
    """Collect the body, and stop reading once it is larger than allowed."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "disconnect", "the client went away before its request was complete")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Refused(413, "too-large", _too_large(limit))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunk if len(chunks) == 1 else b"".join(chunks)


def _check_headers(headers: Iterable[tuple[bytes, bytes]], limit: int) -> None:
    """Refuse by the headers alone what need not be read."""
    media_type = b""
    for name, value in headers:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length" and len(value) < _LONGEST_LENGTH and value.isdigit() and int(value) > limit:
            raise Refused(413, "too-large", _too_large(limit))
        elif name == b"content-encoding" and value != b"identity":
            raise Refused(415, "content-encoding", "the body must not be encoded")
    if media_type != b"application/json" and media_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "content-type", "the content type must be application/json")


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes; raise --max-body-bytes if the apiserver allows larger objects"


async def _answer(send: Send, status: int, media_type: tuple[bytes, bytes], body: bytes) -> None:
    headers = [media_type, (b"content-length", b"%d" % len(body))]
    if status in _CLOSING:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _judged(request: AdmissionRequest, snapshot: Snapshot, facts: Facts) -> tuple[Decision, bytes]:
    decision = judge(request, snapshot, facts)
    return decision, respond(decision)


def _broken(request: AdmissionRequest, error: Exception) -> Decision:
    text = f"this review could not be judged because of an internal error; reference {one_line(request.uid or '', 64)}"
    return Decision(
        request=request,
        allowed=False,
        refusal=Refusal(500, "InternalError", text),
        error=text,
        enforce=Verdict(faults=(Fault("review", error),)),
    )

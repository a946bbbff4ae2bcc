"""Asking again: once when a connection broke, and a few times when a registry asks to wait, within the deadline."""

from __future__ import annotations

import email.utils
import http.client
import time
from typing import Final

from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.transport import Answer, Request, Transport

_WAITING: Final = frozenset({http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE})
_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 0.25
_LONGEST: Final = 86_400.0


def ask(transport: Transport, request: Request, operation: Operation) -> Answer:
    """Give the answer, after waiting where it asks for that and there is time. Raises Failure."""
    reconnected = False
    attempt = 1
    while True:
        try:
            answer = transport.send(request, operation)
        except Failure as failure:
            if not failure.again or reconnected:
                raise
            reconnected = True
            continue
        if answer.status not in _WAITING:
            return answer
        pause = _pause(answer, attempt)
        if attempt == _ATTEMPTS or pause >= operation.left():
            raise _gave_up(answer)
        attempt += 1
        time.sleep(pause)


def _gave_up(answer: Answer) -> Failure:
    if answer.status == http.client.TOO_MANY_REQUESTS:
        return Failure(Kind.RATE_LIMITED, "it limits the rate of requests", status=answer.status)
    return Failure(Kind.UNREACHABLE, "it is not available", status=answer.status)


def _pause(answer: Answer, attempt: int) -> float:
    """Seconds to wait: what Retry-After says, as seconds or as a date, else a little more each time."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), _LONGEST)
    if text:
        try:
            return min(max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()), _LONGEST)
        except (ValueError, OverflowError):
            pass
    return float(_FIRST_PAUSE * 2 ** (attempt - 1))

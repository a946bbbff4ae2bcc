"""Whatever happens to the bytes of a review on their way, it ends in an answer or in a MalformedReview."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core.decode import decode_review
from app.core.facts import Facts
from app.core.respond import respond
from app.core.review import judge, needs, request_of
from app.errors import MalformedReview
from tests.unit.core.reviews import (
    BAD_SPEC,
    CONTROLLERS,
    GOOD_SPEC,
    POD,
    body_of,
    labels,
    namespace_json,
    request_json,
    snapshot,
)

pytestmark = pytest.mark.property
BY = snapshot(enforce_controllers=True)
FACTS = Facts(labels(enforce="restricted", audit="baseline", warn="x"))
RICH_SPEC = {
    **GOOD_SPEC,
    "volumes": [{"name": "root", "hostPath": {"path": "/"}}, {"name": "tmp", "emptyDir": {}}],
    "initContainers": [
        {"name": "s\u00e9tup\\", "ports": [{"hostPort": 80}], "livenessProbe": {"httpGet": {"port": 1}}}
    ],
    "hostUsers": False,
    "affinity": {"x": [1.5e3, -0, None, True, "\u2028"]},
}
BODIES = (
    body_of(request_json(POD, RICH_SPEC, metadata={"annotations": {"a": "b"}, "labels": {"c": "d"}})),
    body_of(request_json(POD, BAD_SPEC, operation="UPDATE", oldObject=POD.object(None, RICH_SPEC))),
    body_of(request_json(CONTROLLERS[-1], RICH_SPEC)),
    body_of(namespace_json(labels(warn="baseline"), labels(warn="x"))),
)
NASTY = st.sampled_from(
    [
        *(
            b"\x00",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xef\xbb\xbf",
            b"\\ud800",
            b"\\u0061",
            b"\\",
            b'"',
            b"{",
            b"}",
            b"[",
            b"]",
        ),
        *(b"null", b"NaN", b"1e999", b"-", b"1e9", b"99999999999999999999", b",", b":", b"true", b'"spec":{},', b"\n"),
    ]
)


def survives(body: bytes) -> None:
    try:
        request = request_of(decode_review(body))
    except MalformedReview as error:
        told = error.summary
        request = None
    else:
        told = ""
        needs(request, BY)
    assert told.isascii() and told.isprintable() and len(told) < 300  # noqa: PT018 - runs tens of thousands of times
    if request is None:
        return
    decision = judge(request, BY, FACTS)
    response = msgspec.json.decode(respond(decision))["response"]
    assert response["uid"] == request.uid
    assert response["allowed"] is decision.allowed


@pytest.mark.parametrize("body", BODIES, ids=["create", "update", "controller", "namespace"])
def test_one_bit_anywhere(body: bytes) -> None:
    for place in range(len(body)):
        for bit in (1, 4, 32, 128):
            survives(body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :])


@pytest.mark.parametrize("body", BODIES, ids=["create", "update", "controller", "namespace"])
def test_one_byte_less_or_the_rest_missing(body: bytes) -> None:
    for place in range(len(body)):
        survives(body[:place])
        survives(body[:place] + body[place + 1 :])


@settings(max_examples=300, deadline=None)
@given(
    body=st.sampled_from(BODIES),
    cuts=st.lists(
        st.tuples(st.integers(0, 2000), st.integers(0, 40), st.one_of(NASTY, st.binary(max_size=3))), max_size=4
    ),
)
def test_pieces_cut_out_and_put_in(body: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for place, length, piece in cuts:
        start = place % (len(body) + 1)
        body = body[:start] + piece + body[start + length :]
    survives(body)


@settings(max_examples=200, deadline=None)
@given(body=st.sampled_from(BODIES), start=st.integers(0, 2000), length=st.integers(1, 200), times=st.integers(2, 4))
def test_pieces_repeated(body: bytes, start: int, length: int, times: int) -> None:
    start %= len(body)
    piece = body[start : start + length]
    survives(body[:start] + piece * times + body[start + length :])


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=64))
@example(b"")
@example(b"\x00" * 64)
def test_any_bytes(body: bytes) -> None:
    survives(body)


def test_the_bodies_are_good_ones() -> None:
    for body in BODIES:
        assert judge(request_of(decode_review(body)), BY, FACTS).refusal is None

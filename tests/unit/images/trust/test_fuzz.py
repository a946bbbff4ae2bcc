"""Mutated bytes: only TrustError may leave, and what is accepted all the same must state the same facts."""

import base64
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.images.trust import TrustError, TrustRoot, Verified
from tests.simulators.sigstore import SPDX, simple_signing, statement
from tests.simulators.sigstore_keys import b64
from tests.unit.images.trust.world import BY_KEY, GOOD, KEY, attestation, bundle, refused, signature

INTERESTING = [
    b"",
    b"0",
    b"9",
    b"A",
    b"z",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"=",
    b"\\",
    b"\0",
    b"\xff",
    b"-",
    b"1e9",
    b"null",
    b"\n",
    b" ",
]
Edit = tuple[float, int, bytes]
edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.sampled_from(INTERESTING) | st.binary(max_size=4)
    ),
    min_size=1,
    max_size=3,
)
pytestmark = pytest.mark.property
fuzzed = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def mutate(raw: bytes, changes: list[Edit]) -> bytes:
    """Replace `length` bytes at a relative position by others, several times."""
    for where, length, new in changes:
        start = int(where * len(raw))
        raw = raw[:start] + new + raw[start + length :]
    return raw


@functools.cache
def bundles() -> list[tuple[bytes, Callable[[bytes], Verified]]]:
    """(bytes, how to verify them) of every kind of bundle."""

    def ask(**terms: Any) -> Callable[[bytes], Verified]:
        return lambda raw: bundle(raw, **terms)

    stamped = {"log": "ignored", "timestamps": "required"}
    made = [
        (GOOD.bundle(), ask()),
        (GOOD.bundle(version="v0.1"), ask()),
        (GOOD.bundle(version="v0.2", stamp=True), ask()),
        (GOOD.bundle(version="v0.2", kind="intoto"), ask()),
        (GOOD.bundle(log="v2"), ask()),
        (GOOD.bundle(log=None), ask(**stamped)),
        (GOOD.bundle(signer=KEY), ask(by=BY_KEY)),
        (GOOD.bundle(signer=KEY, log="v2"), ask(by=BY_KEY)),
        (GOOD.bundle(signer=KEY, log=None), ask(by=BY_KEY, log="ignored")),
        (GOOD.bundle(statement(predicate_type=SPDX)), ask(predicate_type=SPDX)),
    ]
    return [(json.dumps(tree).encode(), how) for tree, how in made]


def same_or_refused(how: Callable[[], Verified], honest: Verified) -> bool:
    """Whether the mutation was accepted; nothing but TrustError may leave, nothing but the same facts be returned."""
    result = outcome(how)
    if isinstance(result, TrustError):
        assert result.summary.isprintable()
        assert len(result.summary) < 2500
        return False
    assert result == honest
    return True


def outcome(call: Callable[[], object]) -> object:
    """What a call returns, or the TrustError that it raises."""
    try:
        return call()
    except TrustError as error:
        return error


@fuzzed
@given(st.integers(0, 9), edits)
@example(0, [(0.0, 0, b" ")])
def test_bundles(which: int, changes: list[Edit]) -> None:
    raw, how = bundles()[which]
    same_or_refused(lambda: how(mutate(raw, changes)), how(raw))


@fuzzed
@given(st.integers(0, 9), st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_decoded_parts_of_bundles(which: int, where: int, new: bytes) -> None:
    """Mutate inside base64: certificates, signatures, timestamps, log bodies."""
    raw, how = bundles()[which]
    tree = json.loads(raw)
    leaves = list(_base64_leaves(tree))
    node, key, old = leaves[where % len(leaves)]
    at = where % len(old)
    node[key] = b64(old[:at] + new + old[at + len(new) :])
    same_or_refused(lambda: how(json.dumps(tree).encode()), how(raw))


def _base64_leaves(node: Any) -> Any:
    """(container, key, decoded bytes) of every text that is base64."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        if isinstance(value, str):
            try:
                decoded = base64.b64decode(value, validate=True)
            except ValueError:
                continue
            if len(decoded) > 8:
                yield node, key, decoded
        else:
            yield from _base64_leaves(value)


@functools.cache
def layers() -> list[tuple[bytes, dict[str, str], Callable[..., Verified]]]:
    """(content, annotations, how to verify them) of every kind of layer."""
    keyless = GOOD.signature(simple_signing(env="prod"), stamp=True)
    return [
        (*keyless, lambda *layer: signature(layer)),
        (*GOOD.signature(signer=KEY), lambda *layer: signature(layer, by=BY_KEY)),
        (*GOOD.attestation(), lambda *layer: attestation(layer)),
        (*GOOD.attestation(kind="intoto", stamp=True), lambda *layer: attestation(layer)),
    ]


@fuzzed
@given(st.integers(0, 3), st.integers(0, 9), edits)
def test_layers(which: int, part: int, changes: list[Edit]) -> None:
    content, annotations, how = layers()[which]
    honest = how(content, annotations)
    names = sorted(annotations)
    if part >= len(names):
        same_or_refused(lambda: how(mutate(content, changes), annotations), honest)
        return
    name = names[part]
    changed = mutate(annotations[name].encode(), changes).decode("utf-8", "surrogateescape")
    same_or_refused(lambda: how(content, {**annotations, name: changed}), honest)


@fuzzed
@given(edits)
def test_trust_roots(changes: list[Edit]) -> None:
    raw = json.dumps(GOOD.trusted_root()).encode()
    result = outcome(lambda: TrustRoot.from_json(mutate(raw, changes)))
    assert isinstance(result, TrustRoot) or (isinstance(result, TrustError) and result.summary.isprintable())


@fuzzed
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"[" * 200_000)
@example(b'{"mediaType":' * 1000)
def test_any_bytes(raw: bytes) -> None:
    for how in (
        lambda: bundle(raw),
        lambda: signature((raw, {})),
        lambda: attestation((raw, {})),
        lambda: TrustRoot.from_json(raw),
    ):
        with pytest.raises(TrustError):
            how()


def test_every_single_byte_of_a_bundle_matters_or_changes_nothing() -> None:
    """The exhaustive part: each 7th byte of a bundle, set to another printable one."""
    raw, how = bundles()[0]
    honest = how(raw)
    accepted = 0
    for at in range(0, len(raw), 7):
        new = b"A" if raw[at : at + 1] != b"A" else b"B"
        accepted += same_or_refused(lambda at=at, new=new: how(raw[:at] + new + raw[at + 1 :]), honest)
    assert accepted < len(raw) / 7 / 20, "only text around the checkpoint's signature lines may be free"
    refused(lambda: how(raw[:-1]), "format")

"""Short cuts for speed and memory: when they are taken, and that what is judged is the same without them."""

from __future__ import annotations

import msgspec
import pytest

from app.core import decode, message, plan
from app.core.evaluate import CLEAN, Fault, Verdict
from app.core.finding import Finding
from app.core.plan import Modes
from app.core.target import pod_object
from tests.unit.core.reviews import labels, modes

FINDING = Finding("host-ports", "spec.x", "1", "be 0", "hostPort: 0")
OTHER = FINDING._replace(check="privileged")


@pytest.mark.parametrize(
    ("encoded", "text", "lossless"),
    [
        (b'{"a":"b"}', b'{"a":"b"}', True),
        (b'{"a":"b"}', b'{"a":"b"}\n', True),
        (b'{"a":"b"}', b'{"a":"b"}\n\n', False),
        (b'{"a":"b"}', b'{"a" :"b"}', False),
        (b'{"a":"b"}', b'{"a":"c","a":"b"}', False),
        (b'{"a":"bb"}', b'{"a":"b"}', False),
        (b'{"a":"<"}', b'{"a":"\\u003c"}', True),
        (b'{"a":"<>&"}', b'{"a":"\\u003c\\u003e\\u0026"}\n', True),
        (b'{"a":"\\\\u003c<"}', b'{"a":"\\\\u003c\\u003c"}', True),
        (b'{"a":"\\\\u003c"}', b'{"a":"\\\\u003c","b":1}', False),
        # Six escapes are 30 bytes longer; 36 are a repeated member of six.
        (b'{"a":"<<<<<<"}', b'{"a":1,"a":"' + 6 * b"\\u003c" + b'"}', False),
    ],
)
def test_only_what_go_writes_otherwise_counts_as_lossless(encoded: bytes, text: bytes, lossless: bool) -> None:
    assert decode._lossless(encoded, text) is lossless


def test_a_null_in_a_list_of_strings_is_an_empty_string() -> None:
    spec = {"containers": [{"name": "a", "securityContext": {"capabilities": {"drop": [None, "ALL"], "add": [None]}}}]}
    pod = pod_object(msgspec.json.encode({"spec": spec}), "pod")
    assert pod.spec is not None
    assert pod.spec.containers is not None
    context = pod.spec.containers[0].security_context
    assert context is not None
    assert context.capabilities is not None
    assert (context.capabilities.drop, context.capabilities.add) == (["", "ALL"], [""])


@pytest.mark.parametrize(
    ("path", "container", "volume", "kept"),
    [(16 * 1024, 0, 0, 1), (16 * 1024 + 1, 0, 0, 0), (1, 16 * 1024, 0, 0), (1, 0, 16 * 1024, 0), (16384 - 2, 1, 1, 1)],
)
def test_words_for_very_long_names_are_not_remembered(path: int, container: int, volume: int, kept: int) -> None:
    message._remembered.cache_clear()
    finding = FINDING._replace(path="p" * path, container="c" * container, volume="v" * volume)
    told = message.tell((finding,))
    assert message._remembered.cache_info().currsize == kept
    assert told == message._told((finding,))


@pytest.mark.parametrize(("length", "kept"), [(6 * 63, 1), (6 * 63 + 1, 0)])
def test_very_long_labels_are_read_but_not_remembered(length: int, kept: int) -> None:
    plan._remembered.cache_clear()
    defaults = modes("baseline", "restricted")
    read = plan.labelled(labels(enforce="x" * (length - 6), warn="latest"), defaults)
    assert plan._remembered.cache_info().currsize == kept
    assert read.modes == Modes(defaults.enforce._replace(level=plan.Level.RESTRICTED), defaults.audit, defaults.warn)
    assert [error.value for error in read.errors] == ["x" * (length - 6), "latest"]


def test_nothing_added_to_a_verdict_leaves_it_as_it_is() -> None:
    assert CLEAN.plus(()) is CLEAN


def test_findings_are_added_after_those_that_are_there_and_faults_stay() -> None:
    faults = (Fault("sysctls", ValueError()),)
    assert Verdict((FINDING,), faults).plus((OTHER,)) == Verdict((FINDING, OTHER), faults)
    assert CLEAN.plus((OTHER,)) == Verdict((OTHER,))

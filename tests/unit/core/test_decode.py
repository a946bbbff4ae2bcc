"""Bytes become structs with nothing lost unseen, or a MalformedReview that says what is wrong, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from app.core import decode as module
from app.core.decode import decode, decode_review
from app.core.objects import CronJob, Namespace, PodObject
from app.core.wire import present
from app.errors import MalformedReview
from tests.unit.core import reviews

POD = msgspec.json.Decoder(PodObject)
DEEP = 10_000


def pod(text: str | bytes) -> PodObject:
    return decode(POD, text.encode() if isinstance(text, str) else text, "object")


def refusal(text: str | bytes) -> str:
    with pytest.raises(MalformedReview) as caught:
        pod(text)
    assert caught.value.summary.isascii()
    assert len(caught.value.summary) < 300
    return caught.value.summary


def test_a_review_is_read() -> None:
    review = decode_review(reviews.body_of(reviews.request_json()))
    assert review.request is not None
    assert review.request.user_info is not None
    assert (review.api_version, review.kind, review.request.uid) == (
        "admission.k8s.io/v1",
        "AdmissionReview",
        "uid-1",
    )
    assert review.request.user_info.username == "ada"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b'{"spec":',
        b'{"spec":{"hostPID":tru',
        b'{"spec":"',
        b'{"metadata":{"name":"web"}',
        b"{} {}",
        b"{}x",
        b"{}\x00",
        b"\xef\xbb\xbf{}",
        b"{'spec':{}}",
        b'{"spec":{},}',
        b'{"spec":{"hostPID":NaN}}',
        b'{"unknown":NaN}',
        b'{"unknown":Infinity}',
        b'{"unknown":-Infinity}',
        b'{"unknown":01}',
        b'{"unknown":+1}',
        b'{"unknown":0x10}',
        b'{"unknown":1.}',
        b'{"unknown":"\t"}',
        b'{"unknown":"\\x41"}',
        b'{"unknown":"\\u12"}',
        b'{"metadata":{"name":"\xff"}}',
        b'{"metadata":{"name":"\xc3\x28"}}',
        b'{"metadata":{"name":"\xed\xa0\x80"}}',
        b'{"unknown":"\xff"}',
        b'{"\xff":1}',
        b'{"metadata":{"name":"\\ud800"}}',
        b'{"metadata":{"name":"\\udc00x"}}',
        b'{"unknown":"\\ud83d"}',
        '{"metadata":{}}'.encode("utf-16"),
        '{"metadata":{}}'.encode("utf-32-le"),
        b"// comment\n{}",
        b'{"a":1/**/}',
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    assert refusal(text).startswith("object is not valid JSON: ")


@pytest.mark.parametrize("text", [b"null", b"[]", b'"pod"', b"1", b"true"])
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    assert "object does not have the fields of its kind: Expected `object`" in refusal(text)


def test_every_truncation_of_a_review_is_refused() -> None:
    body = reviews.body_of(reviews.request_json(reviews.POD, reviews.GOOD_SPEC))
    for length in range(len(body)):
        with pytest.raises(MalformedReview):
            decode_review(body[:length])


@pytest.mark.parametrize(
    "text",
    [
        '{"spec":{"affinity":%s}}',
        '{"unknown":%s}',
        '{"spec":{"containers":%s}}',
        '{"spec":%s}',
        '{"metadata":{"labels":%s}}',
        "%s",
    ],
)
@pytest.mark.parametrize("opening,closing", [("[", "]"), ('{"a":', "1}"), ('{"spec":', "{}}")])
def test_nesting_has_a_bound(text: str, opening: str, closing: str) -> None:
    nested = opening * DEEP + (closing if closing == "]" else closing[:-1] + "}") + closing[-1] * (DEEP - 1)
    summary = refusal(text % nested)
    assert summary == "object is nested too deeply" or summary.startswith("object does not have the fields of its kind")


def test_deep_but_legal_fields_are_no_trouble() -> None:
    nested = "[" * 400 + "]" * 400
    assert pod(f'{{"spec":{{"affinity":{nested}}}}}').spec is not None
    assert pod(f'{{"unknown":{nested},"spec":{{}}}}').spec is not None


@pytest.mark.parametrize(
    "text,key",
    [
        ('{"spec":{},"spec":{}}', "spec"),
        ('{"metadata":{"name":"a","name":"b"}}', "name"),
        ('{"metadata":{"labels":{"a":"1","a":"1"}}}', "a"),
        ('{"metadata":{"annotations":{"a":"1","b":"","a":"2"}}}', "a"),
        ('{"spec":{"hostPID":true,"hostPID":false}}', "hostPID"),
        ('{"spec":{"hostPID":true,"\\u0068ostPID":false}}', "hostPID"),
        ('{"spec":{"\\u0068ostPID":true,"\\u0068ostPID":false}}', "hostPID"),
        ('{"spec":{"containers":[{"name":"a"}],"containers":[]}}', "containers"),
        ('{"spec":{"containers":[{"name":"a"},{"name":"b","name":"c"}]}}', "name"),
        ('{"spec":{"initContainers":[{"securityContext":{"privileged":true,"privileged":null}}]}}', "privileged"),
        ('{"spec":{"containers":[{"securityContext":{"capabilities":{"drop":["ALL"],"drop":[]}}}]}}', "drop"),
        ('{"spec":{"securityContext":{"seLinuxOptions":{"type":"x","type":"y"}}}}', "type"),
        ('{"spec":{"containers":[{"ports":[{"hostPort":0,"hostPort":80}]}]}}', "hostPort"),
        ('{"spec":{"volumes":[{"name":"a","hostPath":{},"hostPath":null}]}}', "hostPath"),
        ('{"spec":{"volumes":[{"emptyDir":{},"emptyDir":{}}]}}', "emptyDir"),
        ('{"unknown":1,"unknown":2}', "unknown"),
        ('{"unknown":{"deep":[{"x":1,"x":2}]}}', "x"),
        ('{"spec":{"affinity":{},"affinity":{}}}', "affinity"),
        ('{"metadata":{"name":"\u00e9","\\u006eame":"\u00e9"}}', "name"),
        ('{ "spec" : { "hostPID" : true , "hostPID" : false } }', "hostPID"),
        ('{"spec":{"containers":[null],"hostPID":true,"hostPID":false}}', "hostPID"),
        ('{"spec":{"hostPID":1,"hostPID":false}}', "hostPID"),
    ],
)
def test_a_repeated_key_is_refused_wherever_it_stands(text: str, key: str) -> None:
    assert refusal(text) == f'object repeats the key "{key}" in one object'


def test_a_repeated_key_of_the_envelope_is_refused() -> None:
    body = reviews.body_of(reviews.request_json()).replace(b'"uid":', b'"operation":"DELETE","uid":')
    with pytest.raises(MalformedReview, match='AdmissionReview repeats the key "operation"'):
        decode_review(body)


def test_a_repeated_key_is_told_briefly_and_in_ascii() -> None:
    key = '"\u202e' + "k" * 10_000
    member = f"{json.dumps(key)}:1"
    assert refusal(f"{{{member},{member}}}") == f'object repeats the key "\\"\\u202e{"k" * 62}" in one object'


def test_equal_keys_of_different_objects_are_no_repetition() -> None:
    found = pod('{"spec":{"containers":[{"name":"a"},{"name":"a"}],"hostname":"a"},"x":{"y":1},"z":{"y":1}}')
    assert found.spec is not None
    assert [container.name for container in found.spec.containers or ()] == ["a", "a"]


def test_an_encode_is_never_longer_than_its_text() -> None:
    """What the comparison of lengths relies on: nothing that is accepted grows, so nothing hides a repeated key."""
    for number in ("1e18", "1E3", "1.0", "1e0", "10e-1", "-0.0"):
        assert "Expected `int | null`, got `float`" in refusal(
            f'{{"spec":{{"securityContext":{{"runAsUser":{number}}}}}}}'
        )
    for text in ('"\\u0041"', '"\\/"', '"\u2028\x7f"', '"\\ud83d\\ude00"', '"\\"\\\\\\b\\f\\n\\r\\t"', '"\U0001f600"'):
        name = pod(f'{{"metadata":{{"name":{text}}}}}').metadata
        assert len(msgspec.json.encode(name and name.name)) <= len(text.encode())


@pytest.mark.parametrize(
    "escape", ["\\u003c", "\\u003C", "\\u00e9", "\\u000a", "\\u0022", "\\u0001", "\\\\u003c", "\\u005cu003c"]
)
@pytest.mark.parametrize("member", ['"hostPID":true,', '"hostname":"\\u003c",', '"hostname":"\\\\u003c\\u003c",'])
def test_escapes_do_not_make_up_for_a_repeated_key(escape: str, member: str) -> None:
    """Escapes are longer than what they stand for; no number of them hides that a member was dropped."""
    for number in range(40):
        text = f'{{"metadata":{{"name":"{escape * number}"}},"spec":{{{member}{member.rstrip(",")}}}}}'
        assert "object repeats the key" in refusal(text)


def test_what_go_escapes_is_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*_: Any) -> None:
        pytest.fail("was read a second time")

    monkeypatch.setattr(module, "_refuse_repeated_keys", slowly)
    text = '{"metadata":{"annotations":{"a":"\\u003cb\\u003e \\u0026 \\\\u003c"}},"spec":{"affinity":"\\u003c"}}'
    found = pod(text + "\n").metadata
    assert found is not None
    assert found.annotations == {"a": "<b> & \\u003c"}


@pytest.mark.parametrize(
    "text,reason",
    [
        ('{"spec":[]}', "Expected `object | null`, got `array` - at `$.spec`"),
        ('{"spec":{"hostPID":"true"}}', "Expected `bool | null`, got `str` - at `$.spec.hostPID`"),
        ('{"spec":{"hostPID":1}}', "got `int` - at `$.spec.hostPID`"),
        ('{"spec":{"containers":{}}}', "got `object` - at `$.spec.containers`"),
        ('{"spec":{"containers":["a"]}}', "at `$.spec.containers[0]`"),
        ('{"spec":{"containers":[{"image":1}]}}', "at `$.spec.containers[0].image`"),
        ('{"spec":{"securityContext":{"runAsUser":"0"}}}', "at `$.spec.securityContext.runAsUser`"),
        ('{"spec":{"securityContext":{"runAsUser":9223372036854775808}}}', "at `$.spec.securityContext.runAsUser`"),
        ('{"spec":{"containers":[{"ports":[{"hostPort":2147483648}]}]}}', "hostPort`"),
        ('{"spec":{"containers":[{"ports":[{"hostPort":-2147483649}]}]}}', "hostPort`"),
        ('{"metadata":{"labels":{"a":1}}}', "at `$.metadata.labels[...]`"),
        ('{"metadata":{"annotations":["a"]}}', "at `$.metadata.annotations`"),
        ('{"spec":{"securityContext":{"sysctls":[{"name":[]}]}}}', "at `$.spec.securityContext.sysctls[0].name`"),
        ('{"spec":{"containers":[{"securityContext":{"capabilities":{"add":[{}]}}}]}}', "capabilities.add[0]`"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place_and_without_its_value(text: str, reason: str) -> None:
    summary = refusal(text)
    assert summary.startswith("object does not have the fields of its kind: ")
    assert reason in summary


def test_the_largest_numbers_are_accepted() -> None:
    found = pod('{"spec":{"securityContext":{"runAsUser":9223372036854775807,"fsGroup":-9223372036854775808}}}')
    assert found.spec is not None
    assert found.spec.security_context is not None
    assert found.spec.security_context.run_as_user == 2**63 - 1


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e-999", "9" * 400, f"0.{'3' * 400}"])
def test_numbers_that_nothing_reads_are_left_alone(number: str) -> None:
    assert pod(f'{{"spec":{{"priority":{number}}}}}').spec is not None
    assert pod(f'{{"unknown":{number},"spec":{{}}}}').spec is not None


def test_a_number_too_long_to_read_is_refused() -> None:
    assert refusal(f'{{"unknown":{"9" * 5000},"spec":{{}}}}').startswith("object is not valid JSON: ")


@pytest.mark.parametrize(
    "text,same",
    [
        ('{"spec":null}', "{}"),
        ('{"metadata":null,"spec":{"containers":null,"volumes":null,"securityContext":null}}', '{"spec":{}}'),
        ('{"spec":{"containers":[null]}}', '{"spec":{"containers":[{}]}}'),
        (
            '{"spec":{"hostPID":null,"containers":[{"name":"a","securityContext":{"privileged":null}},null]}}',
            '{"spec":{"containers":[{"name":"a","securityContext":{}},{}]}}',
        ),
        ('{"spec":{"volumes":[null,{"name":"a"}]}}', '{"spec":{"volumes":[{},{"name":"a"}]}}'),
        ('{"spec":{"containers":[{"ports":[null]}]}}', '{"spec":{"containers":[{"ports":[{}]}]}}'),
        ('{"spec":{"securityContext":{"sysctls":[null]}}}', '{"spec":{"securityContext":{"sysctls":[{}]}}}'),
        ('{"metadata":{"annotations":null,"labels":null}}', '{"metadata":{}}'),
    ],
)
def test_null_stands_for_nothing_as_in_kubernetes(text: str, same: str) -> None:
    assert msgspec.json.encode(pod(text)) == msgspec.json.encode(pod(same))


@pytest.mark.parametrize("members", ["annotations", "labels"])
def test_a_null_in_a_map_of_strings_is_the_empty_string_as_in_kubernetes(members: str) -> None:
    found = pod(f'{{"metadata":{{"{members}":{{"a":null,"b":"c"}}}}}}').metadata
    assert found is not None
    assert getattr(found, members) == {"a": "", "b": "c"}


def test_null_for_an_undecoded_field_is_not_present() -> None:
    found = pod('{"spec":{"volumes":[{"hostPath":null},{"hostPath":{}},{"name":"a"}]}}')
    assert found.spec is not None
    assert [present(volume.host_path) for volume in found.spec.volumes or ()] == [False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        '{"metadata":{"name":"web"},"unknown":{"a":[1,2]},"spec":{"hostPID":true,"teleport":{}}}',
        ' {\n"metadata" : {"name":"web"} , "spec":{"hostPID":true}\t}\r\n',
        '{"metadata":{"name":"\\u0077eb"},"spec":{"\\u0068ostPID":true}}',
    ],
)
def test_unknown_fields_white_space_and_escapes_change_nothing(text: str) -> None:
    found = pod(text)
    assert found.metadata is not None
    assert found.spec is not None
    assert (found.metadata.name, found.spec.host_pid) == ("web", True)


def test_keys_are_told_apart_by_case() -> None:
    found = pod('{"spec":{"hostpid":true,"HostPID":true,"hostPid":true}}')
    assert found.spec is not None
    assert found.spec.host_pid is None


def test_text_may_be_what_another_decode_left_undecoded() -> None:
    raw = msgspec.json.decode(b'{"object":{"spec":{"hostPID":true,"x":1}}}', type=dict[str, msgspec.Raw])["object"]
    assert decode(POD, raw, "object").spec is not None
    broken = msgspec.json.decode(b'{"object":{"spec":{"hostPID":true,"hostPID":false}}}', type=dict[str, msgspec.Raw])
    with pytest.raises(MalformedReview, match='oldObject repeats the key "hostPID"'):
        decode(POD, broken["object"], "oldObject")
    nulls = msgspec.json.decode(b'{"object":{"spec":{"containers":[null]}}}', type=dict[str, msgspec.Raw])["object"]
    found = decode(POD, nulls, "object")
    assert found.spec is not None
    assert len(found.spec.containers or ()) == 1


@pytest.mark.parametrize("kind", [CronJob, Namespace])
def test_every_kind_is_read_by_the_same_rules(kind: type[Any]) -> None:
    decoder = msgspec.json.Decoder(kind)
    assert decode(decoder, b'{"metadata":{"name":"a"},"spec":{}}', "object").metadata.name == "a"
    with pytest.raises(MalformedReview):
        decode(decoder, b'{"metadata":{"name":"a","name":"b"}}', "object")

import json
import logging
from typing import Any

import msgspec
import pytest

from app.core.decision import Decision, Refusal
from app.core.envelope import AdmissionRequest, GroupVersionKind, GroupVersionResource, UserInfo
from app.core.evaluate import Fault, Verdict
from app.core.finding import Finding
from app.observe.logs import JsonFormatter, TextFormatter
from app.observe.metrics import Metrics
from app.observe.recorder import Recorder

FOUND = Verdict((Finding("privileged", "spec.x", "true", "be false", ""), Finding("privileged", "spec.y", "", "", "")))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Log:
    """The lines of the recorder, as JSON gives them."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def lines(self) -> list[dict[str, Any]]:
        found = [json.loads(JsonFormatter().format(record)) for record in self._caplog.records]
        self._caplog.clear()
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.INFO, "pratique")
    return Log(caplog)


@pytest.fixture
def recorder(clock: Clock, log: Log) -> Recorder:
    return Recorder(Metrics("1", process=False), clock)


def decision(*, allowed: bool = False, **fields: Any) -> Decision:
    request = AdmissionRequest(
        uid=fields.pop("uid", "u-1"),
        kind=GroupVersionKind("", "v1", "Pod"),
        resource=GroupVersionResource("", "v1", "pods"),
        request_sub_resource=fields.pop("subresource", None),
        name="web",
        namespace="shop",
        operation="CREATE",
        user_info=UserInfo(username=fields.pop("user", "alice")),
        object=msgspec.Raw(b'{"spec":{"containers":[{"env":[{"name":"P","value":"hunter2"}]}]}}'),
    )
    return Decision(request=request, allowed=allowed, **fields)


def test_a_denial_is_one_line_without_anything_of_the_object(recorder: Recorder, log: Log) -> None:
    recorder.record(decision(enforce=FOUND, subresource="resize"), 0.0012)
    (line,) = log.lines()
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "pratique.decision",
        "message": "denied",
        "uid": "u-1",
        "user": "alice",
        "ns": "shop",
        "kind": "Pod",
        "resource": "pods/resize",
        "name": "web",
        "operation": "CREATE",
        "dryRun": False,
        "decision": "deny",
        "checks": ["privileged"],
        "ms": 1.2,
    }


def test_what_is_allowed_is_logged_at_debug_only(
    recorder: Recorder, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.record(decision(allowed=True), 0.001)
    assert log.lines() == []
    caplog.set_level(logging.DEBUG, "pratique")
    Recorder(Metrics("1", process=False)).record(decision(allowed=True), 0.001)
    assert [line["message"] for line in log.lines()] == ["allowed"]


def test_denials_are_never_held_back(recorder: Recorder, log: Log) -> None:
    for _ in range(500):
        recorder.record(decision(enforce=FOUND), 0.001)
    assert len(log.lines()) == 500


def test_errors_are_held_back_counted_and_summed_up(recorder: Recorder, log: Log, clock: Clock) -> None:
    for _ in range(500):
        recorder.refused("malformed", "no JSON")
    lines = log.lines()
    assert len(lines) == 20
    assert {line["cause"] for line in lines} == {"malformed"}
    recorder.refused("path", "another kind has its own allowance")
    assert len(log.lines()) == 1
    clock.now += 5
    recorder.flush()
    assert log.lines() == [], "too early"
    clock.now += 6
    recorder.flush()
    (line,) = log.lines()
    assert (line["cause"], line["count"]) == ("malformed", 480)
    recorder.refused("malformed", "again")
    assert len(log.lines()) == 1
    assert b'pratique_errors_total{cause="malformed"} 501.0' in recorder.metrics.text()


@pytest.mark.parametrize(
    "fields,cause",
    [
        ({"refusal": Refusal(400, "BadRequest", "x"), "error": "x"}, "request"),
        ({"refusal": Refusal(500, "InternalError", "x"), "error": "x"}, "facts"),
        ({"allowed": True, "error": "namespace unknown"}, "facts"),
    ],
)
def test_what_could_not_be_judged_is_an_error_of_a_known_kind(
    recorder: Recorder, log: Log, fields: dict[str, Any], cause: str
) -> None:
    recorder.record(decision(**fields), 0.001)
    (line,) = log.lines()
    assert line["error"]
    assert f'pratique_errors_total{{cause="{cause}"}} 1.0'.encode() in recorder.metrics.text()


def test_a_check_that_raises_is_logged_once_with_its_traceback(recorder: Recorder, log: Log) -> None:
    try:
        raise RuntimeError("bug")  # noqa: TRY301 - it needs a traceback
    except RuntimeError as error:
        fault = Fault("host-ports", error)
    broken = Verdict(faults=(fault,))
    recorder.record(decision(enforce=broken, audit=broken), 0.001)
    lines = log.lines()
    assert [line["message"].split()[0] for line in lines] == ["a", "denied"]
    assert lines[0]["check"] == "host-ports"
    assert "RuntimeError: bug" in lines[0]["traceback"]
    recorder.record(decision(allowed=True, audit=broken), 0.001)
    assert [line["level"] for line in log.lines()] == ["error"], "an audit's fault is told though the review passed"


def test_long_and_strange_words_of_a_caller_stay_on_one_short_line(recorder: Recorder, log: Log) -> None:
    recorder.record(decision(enforce=FOUND, user="x" * 10_000, uid='a\n"b\x1b[31m'), 0.001)
    (line,) = log.lines()
    assert len(line["user"]) < 300
    record = logging.LogRecord("n", logging.INFO, "p", 1, "denied", (), None)
    record.fields = {"uid": 'a\n"b\x1b[31m', "checks": ["a", "b"], "empty": ""}
    text = TextFormatter(colour=False).format(record)
    assert "\n" not in text
    assert "\x1b" not in text
    assert "checks=a,b" in text
    assert "empty" not in text


def test_values_that_json_has_no_form_for_are_shown_as_text() -> None:
    record = logging.LogRecord("n", logging.INFO, "p", 1, "odd", (), None)
    record.fields = {"value": object()}
    assert "object" in json.loads(JsonFormatter().format(record))["value"]

"""Bar 1: every fixture of the reference gets the reference's verdict, by function and through the HTTPS endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from app.catalog import catalog
from app.core.decode import decode_review
from app.core.facts import Facts
from app.core.plan import PREFIX, Snapshot
from app.core.respond import respond
from app.core.review import judge, request_of
from app.core.version import Level, LevelVersion, Version
from tests.conformance.fixtures import TOTAL, Fixture, fetch, fixtures
from tests.differential.ours import Server
from tests.differential.reference import Serving
from tests.differential.verdict import Response, response_of
from tests.differential.wire import Pipeline
from tests.simulators.namespaces_api import NamespacesApi

BUILD: Final = Path(__file__).resolve().parents[2] / "build"
pytestmark = pytest.mark.conformance

COMPANIONS: Final = {
    "windowshostprocess": frozenset({"host-namespaces"}),
    "privileged": frozenset({"allow-privilege-escalation"}),
    "allowprivilegeescalation": frozenset({"capabilities-restricted"}),
}
"""What some fixtures break besides: a HostProcess pod needs the host's network, a privileged container cannot
forbid privilege escalation, and a container without any security context drops no capability either."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A fixture, the review that carries it, and what must come back."""

    fixture: Fixture
    namespace: str
    labels: dict[str, str]
    body: bytes
    expected: frozenset[str]
    """Checks that must fail, and no others but the fixture's `COMPANIONS`; empty for a pod that passes."""


def asked(fixture: Fixture, number: int) -> Asked:
    namespace = f"{fixture.level}-{fixture.version.replace('.', '-')}"
    labels = {f"{PREFIX}enforce": fixture.level, f"{PREFIX}enforce-version": fixture.version}
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"fixture-{number}",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": fixture.pod["metadata"]["name"],
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "tester"},
            "object": fixture.pod,
            "oldObject": None,
            "dryRun": False,
        },
    }
    return Asked(fixture, namespace, labels, msgspec.json.encode(review), expected(fixture))


def expected(fixture: Fixture) -> frozenset[str]:
    """Ids of the check that the file names; where another check overrides it at that level and version, that one's."""
    if fixture.allowed:
        return frozenset()
    [named] = [check for check in catalog().checks if check.psa_id.lower() == fixture.check]
    policy = LevelVersion(Level.parse(fixture.level), Version.parse(fixture.version))
    rules = Snapshot(rules=catalog().rules).rules_of(policy)
    running = {check.id for check, _ in rules}
    overriding = {check.id for check, since in rules if named.id in since.overrides}
    return frozenset({named.id} & running or overriding)


def disagreement(ask: Asked, response: Response) -> str:
    """What is wrong with an answer; empty where nothing is."""
    status = response.status
    causes = {cause.reason for cause in status.details.causes} if status else set()
    if response.allowed is not ask.fixture.allowed:
        return f"allowed is {response.allowed}, failed {sorted(causes)}"
    if response.audit_annotations.get("enforce-policy") != f"{ask.fixture.level}:{ask.fixture.version}":
        return f"judged by {response.audit_annotations.get('enforce-policy')}"
    if not ask.expected <= causes <= ask.expected | COMPANIONS.get(ask.fixture.check, frozenset()):
        return f"failed {sorted(causes)} instead of {sorted(ask.expected)}"
    return ""


@pytest.fixture(scope="module")
def all_asked() -> list[Asked]:
    return [asked(fixture, number) for number, fixture in enumerate(fixtures(fetch()))]


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[str, Any]]:
    """What the tests of this module found; written even where one fails."""
    found: dict[str, Any] = {"total": 0, "agree": 0, "agree_endpoint": 0}
    yield found
    BUILD.mkdir(exist_ok=True)
    (BUILD / "conformance.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def count(all_asked: list[Asked], answers: list[Response]) -> tuple[int, list[str]]:
    """How many answers agree, and what is wrong with the first of the others."""
    wrong = [
        f"{ask.fixture.path}: {problem}"
        for ask, answer in zip(all_asked, answers, strict=True)
        if (problem := disagreement(ask, answer))
    ]
    return len(all_asked) - len(wrong), wrong[:20]


def test_all_fixtures_are_there(all_asked: list[Asked], figures: dict[str, Any]) -> None:
    figures["total"] = len(all_asked)
    figures["with_defaulted_volume"] = sum(ask.fixture.defaulted for ask in all_asked)
    assert len(all_asked) == TOTAL
    named = {ask.fixture.check for ask in all_asked if not ask.fixture.allowed}
    assert named == {check.psa_id.lower() for check in catalog().checks}, "every check has fixtures that break it"
    assert all(ask.expected for ask in all_asked if not ask.fixture.allowed)


def test_every_fixture_agrees_by_function(all_asked: list[Asked], figures: dict[str, Any]) -> None:
    snapshot = Snapshot(rules=catalog().rules)

    def answer(ask: Asked) -> Response:
        request = request_of(decode_review(ask.body))
        return response_of(respond(judge(request, snapshot, Facts(labels=ask.labels))))

    figures["agree"], wrong = count(all_asked, [answer(ask) for ask in all_asked])
    assert wrong == []
    assert figures["agree"] == TOTAL


def test_every_fixture_agrees_through_the_endpoint(
    all_asked: list[Asked], figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("conformance")
    serving = Serving(folder)
    with NamespacesApi({ask.namespace: ask.labels for ask in all_asked}) as api:
        arguments = ["--kubeconfig", str(api.write_kubeconfig(folder / "kubeconfig"))]
        with (
            Server("conformance", arguments, serving, folder) as server,
            Pipeline(server.port, serving.context()) as connection,
        ):
            connection.post([ask.body for ask in all_asked])
            answers = connection.answers()
    assert {status for status, _ in answers} == {200}
    responses = [response_of(body) for _, body in answers]
    assert [response.uid for response in responses] == [f"fixture-{number}" for number in range(len(all_asked))]
    figures["agree_endpoint"], wrong = count(all_asked, responses)
    assert wrong == []
    assert figures["agree_endpoint"] == TOTAL


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda answer: answer | {"allowed": True}, "allowed is True"),
        (lambda answer: answer | {"auditAnnotations": {"enforce-policy": "baseline:v1.1"}}, "judged by baseline:v1.1"),
        (lambda answer: answer | {"status": {"details": {"causes": [{"reason": "sysctls"}]}}}, "instead of"),
    ],
)
def test_a_wrong_answer_is_noticed(change: Callable[[dict[str, Any]], dict[str, Any]], problem: str) -> None:
    pod = {"metadata": {"name": "hostports0"}, "spec": {}}
    ask = asked(Fixture("baseline/v1.0/fail/hostports0.yaml", "baseline", "v1.0", False, "hostports", pod, False), 0)
    right: dict[str, Any] = {
        "uid": "fixture-0",
        "allowed": False,
        "auditAnnotations": {"enforce-policy": "baseline:v1.0"},
        "status": {"details": {"causes": [{"reason": "host-ports"}]}},
    }
    assert disagreement(ask, response_of(msgspec.json.encode({"response": right}))) == ""
    assert problem in disagreement(ask, response_of(msgspec.json.encode({"response": change(right)})))

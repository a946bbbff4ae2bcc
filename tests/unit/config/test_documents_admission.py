"""Policy documents one by one, as the API server sends them for admission."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from app.config import document as checking
from app.config.documents import EMPTY, Id, check_document, load_directory, review_document, update
from app.config.kind import Compiling, Kind
from app.config.model import Model, Resource
from tests.unit.config.documents import policy


def image_policy(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "1", "generation": 1, "managedFields": [{}]},
        "spec": {
            "images": [{"glob": "ghcr.io/me/**"}],
            "authorities": [{"name": "", "keyless": {"identities": [{"issuer": "i", "subject": "s"}]}}],
        },
    }
    return {**found, **changes}


def told(document: Any, kind: str = "ClusterImagePolicy", **rest: Any) -> list[str]:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return [str(problem) for problem in check_document(raw, kind, **rest)]


def test_a_good_document() -> None:
    assert told(image_policy()) == []


def test_every_problem_with_its_field() -> None:
    bad = image_policy()
    bad["spec"]["mod"] = "enforce"
    bad["spec"]["authorities"].append({"static": {"action": "allow"}})
    assert told(bad) == [
        "spec.authorities[1].static.action: must be 'pass' or 'fail'",
        "spec.mod: unknown field, did you mean `mode`?",
    ]
    (first, _) = check_document(json.dumps(bad).encode(), "ClusterImagePolicy")
    assert first.path == ("spec", "authorities", 1, "static", "action")


def test_warnings_are_apart() -> None:
    careless = image_policy()
    careless["spec"]["authorities"] = [{"static": {"action": "pass"}}]
    problems, warnings = review_document(json.dumps(careless).encode(), "ClusterImagePolicy")
    assert problems == []
    assert [str(one) for one in warnings] == [
        "spec.authorities[0].static: admits every matching image without any signature"
    ]


def test_references_are_checked_where_documents_are_known(tmp_path: Path) -> None:
    referring = image_policy()
    referring["spec"]["authorities"][0]["keyless"]["trustRootRef"] = "ours"
    assert told(referring) == []
    known = load_directory(tmp_path).values
    assert told(referring, known=known) == [
        "spec.authorities[0].keyless.trustRootRef: there is no TrustRoot `ours`; there is none at all"
    ]


@pytest.mark.parametrize(
    "raw,problem",
    [
        (b"", "is not JSON: "),
        (b"{", "is not JSON: "),
        (b'{"kind": "a", "kind": "b"}', "is not JSON: a key is given twice"),
        (b"[" * 100_000, "is not JSON: "),
        (b"\xff", "is not JSON: "),
        (b"[]", "a policy document is a mapping"),
        (b"null", "a policy document is a mapping"),
        (b"{}", "apiVersion: is missing"),
        (b" " * ((4 << 20) + 1), "larger than 4 MiB"),
    ],
)
def test_what_is_no_document(raw: bytes, problem: str) -> None:
    (said,) = told(raw)
    assert said.startswith(problem)


def test_another_kind_than_it_was_sent_as() -> None:
    assert told(image_policy(), "TrustRoot") == ["kind: is `ClusterImagePolicy`, not `TrustRoot`"]


def test_admission_and_directory_agree(tmp_path: Path) -> None:
    for number, change in enumerate(({}, {"images": []}, {"match": [{"resource": "Pods"}]}, {"policy": {}})):
        one = image_policy()
        one["spec"].update(change)
        (tmp_path / "a.json").write_text(json.dumps(one))
        _, problems = update(EMPTY, tmp_path)
        assert told(one) == [problem.text for problem in problems]
        assert bool(number) is bool(problems)


# A kind to come is an entry of a registry and nothing else: here a namespaced one that refers to another.


class _Spec(Model):
    root: str
    limit: Annotated[int, Field(ge=1)] = 1


class _Loose(Resource):
    spec: _Spec


def _compile(document: _Loose, content: str, compiling: Compiling) -> tuple[str, int, str]:
    compiling.refer(("spec", "root"), "ClusterImagePolicy", document.spec.root)
    if document.spec.limit > 5:
        compiling.warn(("spec", "limit"), "is large")
    return document.spec.root, document.spec.limit, content


def test_a_namespaced_kind_to_come(tmp_path: Path) -> None:
    kinds = (*checking.KINDS, Kind("Loose", "example.dev", ("v1",), _Loose, _compile, namespaced=True))
    head = (
        "apiVersion: example.dev/v1\nkind: Loose\nmetadata: {name: x, namespace: NS}\nspec: {root: p, limit: 6}\n---\n"
    )
    text = policy() + "---\n" + head.replace("NS", "one") + head.replace("NS", "two").replace("6", "2")
    (tmp_path / "a.yaml").write_text(text)
    found = load_directory(tmp_path, kinds)
    one, two = Id("Loose", "x", "one"), Id("Loose", "x", "two")
    assert [str(key) for key in found.loaded] == ["ClusterImagePolicy/p", "Loose/one/x", "Loose/two/x"]
    assert found.of("Loose") == (("p", 6, found.loaded[one].hash), ("p", 2, found.loaded[two].hash))
    assert found.loaded[one].hash != found.loaded[two].hash
    assert found.warnings == (f"{tmp_path}/a.yaml:14:17: spec.limit: is large",)
    (tmp_path / "a.yaml").write_text(head.replace("namespace: NS", "name: x"))
    _, problems = update(found, tmp_path, kinds)
    assert "given twice" in problems[0].text
    (tmp_path / "a.yaml").write_text(head.replace(", namespace: NS", "").replace("6", "0"))
    after, problems = update(found, tmp_path, kinds)
    assert [one.text for one in problems] == ["metadata.namespace: is missing"]
    assert len(after.loaded) == 3

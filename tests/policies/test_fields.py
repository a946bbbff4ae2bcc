"""What a check says that it reads exists in Kubernetes' API and covers what it finds."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.catalog import pod_of_example
from app.core.check import Check, Example
from tests.contract.openapi import CORE, expanded, field
from tests.policies.examples import CHECKS, EXAMPLES, findings_of_examples, found, name_of

POD = f"{CORE}Pod"


def pattern(path: str) -> re.Pattern[str]:
    """The finding paths that one of `fields` stands for."""
    parts = [r"\[[^\]]*\]" if part == "[*]" else re.escape(part) for part in re.split(r"(\[\*\])", path)]
    return re.compile("".join(parts).replace(r"/\*", r"/.*"), re.DOTALL)  # noqa: TID251 - from our own fields; linear


def covers(declared: str, path: str) -> bool:
    """Whether a field is the one that was found, or lies within it."""
    if pattern(declared).fullmatch(path):
        return True
    parents = [declared[: match.start()] for match in re.finditer(r"[.\[]", declared)]
    return any(pattern(parent).fullmatch(path) for parent in parents if parent.count(".") > 0)


def declared_fields(check: Check) -> list[str]:
    return [path for written in check.fields for path in expanded(written)]


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_every_field_exists_in_the_api(check: Check) -> None:
    for path in declared_fields(check):
        assert field(POD, path)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_fields_are_told_once(check: Check) -> None:
    fields = declared_fields(check)
    assert len(fields) == len(set(fields))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_what_concerns_containers_concerns_every_kind_of_them(check: Check) -> None:
    fields = set(declared_fields(check))
    for path in fields:
        if "ontainers[*]" in path:
            tail = path.partition("[*]")[2]
            assert {
                f"spec.{kind}[*]{tail}" for kind in ("containers", "initContainers", "ephemeralContainers")
            } <= fields


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_every_path_that_is_found_is_covered(check: Check) -> None:
    paths = {finding.path for one, _, finding in findings_of_examples() if one is check}
    assert paths
    fields = declared_fields(check)
    assert [path for path in paths if not any(covers(each, path) for each in fields)] == []


@pytest.mark.parametrize(
    "declared,path,expected",
    [
        ("spec.hostPID", "spec.hostPID", True),
        ("spec.hostPID", "spec.hostPIDs", False),
        ("spec.hostPID", "spec", False),
        ("spec.volumes[*].hostPath", "spec.volumes[3].hostPath", True),
        ("spec.volumes[*].hostPath", "spec.volumes[3]", True),
        ("spec.volumes[*].hostPath", "spec.volumes[3].nfs", False),
        ("spec.containers[*].ports[*].hostPort", "spec.containers[0].ports[1].hostPort", True),
        ("spec.containers[*].ports[*].hostPort", "spec.initContainers[0].ports[1].hostPort", False),
        ("metadata.annotations[a.b/*]", "metadata.annotations[a.b/c]", True),
        ("metadata.annotations[a.b/*]", "metadata.annotations[axb/c]", False),
    ],
)
def test_coverage_is_told_apart(declared: str, path: str, expected: bool) -> None:
    assert covers(declared, path) is expected


INVENTED = {"a type of a newer API"}
"""Examples of fields that no API has yet."""


@pytest.mark.parametrize("check,example", [each for each in EXAMPLES if each[1].title not in INVENTED], ids=name_of)
def test_examples_use_fields_of_the_api(check: Check, example: Example) -> None:
    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and "annotations" not in path:
            for name, member in value.items():
                assert field(POD, f"{path}{name}"), path
                walk(member, f"{path}{name}.")
        elif isinstance(value, list):
            for member in value:
                walk(member, f"{path.rstrip('.')}[*].")

    walk(pod_of_example(example), "")


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_checks_find_things_in_containers_and_in_init_containers_alike(check: Check) -> None:
    """A bad example, its container moved, is as bad: no kind of container is forgotten."""
    for example in check.bad:
        spec: dict[str, Any] = pod_of_example(example)["spec"]
        paths = [finding.path for one, other, finding in findings_of_examples() if (one, other) == (check, example)]
        for kind in ("initContainers", "ephemeralContainers"):
            if kind in spec or not any(path.startswith("spec.containers") for path in paths):
                continue
            moved = Example("moved", {**example.spec, kind: spec["containers"], "containers": []}, example.annotations)
            expected = [path.replace("spec.containers", f"spec.{kind}") for path in paths]
            assert [finding.path for finding in found(check, pod_of_example(moved), example.version)] == expected

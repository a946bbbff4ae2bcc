"""The YAML that a finding offers mends it: put where the finding points, the finding is gone."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from app.catalog import pod_of_example
from app.core.check import Check, Example
from app.core.finding import Finding
from tests.policies.examples import BAD, found, name_of

SENTENCES = {"sysctls"}
"""Checks whose remedy no line of YAML can tell."""


def steps(path: str) -> list[str | int]:
    """`a.b[0].c` and `annotations[x.y/z]` as keys and indices."""
    parts = re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path)
    return [name or (int(key) if key.isdigit() else key) for name, key in parts]


def mended(pod: dict[str, Any], finding: Finding) -> dict[str, Any]:
    """The pod with the fix where its key stands in the path, else in place of the path's last field."""
    ((key, value),) = yaml.safe_load(finding.fix).items()
    where = steps(finding.path)
    pod = copy.deepcopy(pod)
    parents: list[Any] = [pod]
    for step in where[:-1]:
        if isinstance(step, int):
            parents.append(parents[-1][step])
        else:
            parents.append(parents[-1].setdefault(step, {}))
    if key in where:
        parents[len(where) - 1 - where[::-1].index(key)][key] = value
    elif isinstance(where[-1], int):  # the item of a list as a whole: its name stays
        item = parents[-1][where[-1]]
        parents[-1][where[-1]] = {name: item[name] for name in item if name == "name"} | {key: value}
    else:
        del parents[-1][where[-1]]
        parents[-1][key] = value
    return pod


@pytest.mark.parametrize("check,example", [each for each in BAD if each[0].id not in SENTENCES], ids=name_of)
def test_each_fix_mends_its_finding_and_all_of_them_mend_the_pod(check: Check, example: Example) -> None:
    pod = pod_of_example(example)
    for finding in found(check, pod, example.version):
        alone = found(check, mended(pod, finding), example.version)
        assert finding.path not in [other.path for other in alone], finding
    for _ in range(10):
        findings = found(check, pod, example.version)
        if not findings:
            break
        pod = mended(pod, findings[0])
    assert found(check, pod, example.version) == []


def test_only_these_have_no_yaml() -> None:
    for check, example in BAD:
        for finding in found(check, pod_of_example(example), example.version):
            assert isinstance(yaml.safe_load(finding.fix), dict) is (check.id not in SENTENCES)


def test_removing_what_a_sentence_asks_to_remove_mends_it() -> None:
    for check, example in BAD:
        if check.id in SENTENCES:
            pod = copy.deepcopy(pod_of_example(example))
            (finding,) = found(check, pod, example.version)
            del pod["spec"]["securityContext"]["sysctls"][steps(finding.path)[3]]
            assert found(check, pod, example.version) == []

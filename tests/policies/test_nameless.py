"""A container or volume without a name, which the apiserver refuses later, is told without one."""

import msgspec
import pytest

from app.catalog import catalog, pod_of_example
from app.core.check import Check, Example
from app.core.target import pod_object, view

BAD = [
    pytest.param(check, example, id=f"{check.id}: {example.title}")
    for check in catalog().checks
    for example in check.bad
    if example.version == "latest" and not example.annotations  # those name containers themselves
]


@pytest.mark.parametrize(("check", "example"), BAD)
def test_findings_name_nothing_where_nothing_has_a_name(check: Check, example: Example) -> None:
    pod = msgspec.json.decode(msgspec.json.encode(pod_of_example(example)))  # a copy: examples are shared
    for members in ("initContainers", "containers", "ephemeralContainers", "volumes"):
        for member in pod["spec"].get(members, ()):
            member.pop("name", None)
    found = list(check.versions[-1].find(view(pod_object(msgspec.json.encode(pod), "pod"))))
    assert tuple(finding.path for finding in found) == example.finds
    assert {(finding.container, finding.volume) for finding in found} == {("", "")}

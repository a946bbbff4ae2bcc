"""No pod that decodes makes a check raise, and no check says what its declaration does not cover."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from app.core.target import pod_object, view
from tests.policies.examples import CHECKS
from tests.policies.test_fields import covers, declared_fields
from tests.property.strategies import ANNOTATIONS, PODS
from tests.unit.core.reviews import Json

pytestmark = pytest.mark.property


FIELDS = {check.id: declared_fields(check) for check in CHECKS}


@settings(max_examples=80, deadline=None)
@given(spec=PODS, annotations=ANNOTATIONS)
def test_a_check_never_raises_and_finds_only_what_it_declares(spec: Json, annotations: Json) -> None:
    text = msgspec.json.encode({"metadata": {"name": "web", "annotations": annotations}, "spec": spec})
    pod = view(pod_object(text, "object"))
    for check in CHECKS:
        for since in check.versions:
            first, second = list(since.find(pod)), list(since.find(pod))
            assert first == second
            for finding in first:
                assert finding.check == check.id
                assert any(covers(field, finding.path) for field in FIELDS[check.id]), finding
                assert finding.value.isascii()
                assert finding.value.isprintable()
                assert len(finding.value) <= 80

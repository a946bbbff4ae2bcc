"""Every example of every check, one test each, so that a failure names the check and the example."""

import pytest

from app.catalog import catalog, findings_of_example
from app.core.check import Check, Example

EXAMPLES = [
    pytest.param(check, example, id=f"{check.id} {verb} {example.title}")
    for check in catalog().checks
    for verb, examples in (("allows", check.good), ("refuses", check.bad))
    for example in examples
]


@pytest.mark.parametrize(("check", "example"), EXAMPLES)
def test_a_check_finds_in_its_example_what_it_says(check: Check, example: Example) -> None:
    assert findings_of_example(check, example) == example.finds

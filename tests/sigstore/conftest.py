"""The running stack, for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sigstore.rows import FIRST
from tests.sigstore.signing import sample
from tests.sigstore.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Its logs have an entry already: the first one is a case of its own (test_golden.py)."""
    with Stack(tmp_path_factory.mktemp("sigstore")) as running:
        for row in FIRST:
            sample(running, row, f"first-{row.name}")
        yield running

"""The running stack, for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sigstore.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("sigstore")) as running:
        yield running

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.webhook import Webhook
from tests.kube.certs import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Webhook]:
    """One server for the tests of a module that leave it as it was."""
    with Webhook(tmp_path_factory.mktemp("webhook"), authority, "--drain-seconds=0") as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, authority: Authority) -> Iterator[Callable[..., Webhook]]:
    """Start servers of the test's own; they are stopped at its end."""
    with ExitStack() as running:

        def begin(*arguments: str, **options: Any) -> Webhook:
            # No drain unless the test asks for one: its own argument comes later and wins.
            return running.enter_context(Webhook(tmp_path, authority, "--drain-seconds=0", *arguments, **options))

        yield begin

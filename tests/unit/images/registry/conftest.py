from collections.abc import Iterator

import pytest

from tests.kube.certs import Authority
from tests.simulators.registry import OciRegistry
from tests.unit.images.registry.asking import USERS


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def plain() -> Iterator[OciRegistry]:
    with OciRegistry() as registry:
        yield registry


@pytest.fixture
def locked(authority: Authority) -> Iterator[OciRegistry]:
    with OciRegistry(authority, users=USERS) as registry:
        yield registry

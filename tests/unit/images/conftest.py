from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.images.image_world import Shop, opened


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path) as shop:
        yield shop


@pytest.fixture
def old_shop(tmp_path: Path) -> Iterator[Shop]:
    """One whose registry has no referrers API."""
    with opened(tmp_path, referrers=False) as shop:
        yield shop

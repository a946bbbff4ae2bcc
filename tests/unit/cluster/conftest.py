from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from app.cluster.access import Access, Static
from app.cluster.api import Api
from app.cluster.cache import LabelsCache
from app.cluster.namespaces import Namespaces
from tests.simulators.kube_api import PATIENCE, KubeApi

TOKEN = "token-that-must-never-be-seen"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies are no part of the tests."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[KubeApi]:
    with KubeApi(token=TOKEN) as api:
        api.put("shop", {"team": "a"})
        api.put("bare")
        yield api


@pytest.fixture
def api(server: KubeApi) -> Iterator[Api]:
    client = Api(Access(server.url, Static(f"Bearer {TOKEN}")))
    yield client
    client.close()


@pytest.fixture
async def namespaces(api: Api) -> AsyncIterator[Namespaces]:
    """Watching, with brief pauses between attempts."""
    cache = LabelsCache(api, pause=0.01)
    cache.start()
    watched = Namespaces(api, cache)
    await until(lambda: watched.ready)
    yield watched
    await watched.close()
    assert not cache._thread.is_alive()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that another thread brings about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another thread brings it about
            await asyncio.sleep(0.005)

"""Facts: at hand without waiting where possible, else fetched under the deadline; a failed look-up is Unknown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import pytest

from app import gather
from app.cluster.namespaces import Namespaces
from app.core.facts import Facts, PodList
from app.core.review import Need
from app.core.unknown import Unknown
from app.gather import Gather
from tests.unit.core.reviews import namespace_request, request


class Cluster:
    """A source of namespaces that tells what it was asked."""

    def __init__(self, known: dict[str, dict[str, str]]) -> None:
        self.known = known
        self.asked: list[tuple[Any, ...]] = []
        self.answer: Any = Unknown("no answer")

    def labels(self, name: str) -> Mapping[str, str] | None:
        return self.known.get(name)

    async def fetch(self, name: str, deadline: float) -> Any:
        self.asked.append(("fetch", name, deadline))
        return self.answer

    async def pods(self, name: str, deadline: float, limit: int) -> Any:
        self.asked.append(("pods", name, deadline, limit))
        return self.answer


@pytest.fixture
def cluster() -> Cluster:
    return Cluster({"shop": {"a": "b"}, "bare": {}})


@pytest.fixture
def gathering(cluster: Cluster) -> Gather:
    return Gather(cast("Namespaces", cluster))


@pytest.mark.parametrize("need", [Need.NOTHING, Need.NAMESPACE, Need.PODS])
async def test_without_a_cluster_every_namespace_is_unlabelled(need: Need) -> None:
    alone = Gather(None)
    assert alone.known(need, request()) == Facts({})
    assert await alone.fetch(need, request(), 0.0) == Facts({})


def test_nothing_is_at_hand_at_once(gathering: Gather) -> None:
    assert gathering.known(Need.NOTHING, request(namespace="elsewhere")) == Facts()


@pytest.mark.parametrize("namespace,labels", [("shop", {"a": "b"}), ("bare", {})])
def test_labels_in_the_cache_are_at_hand(gathering: Gather, cluster: Cluster, namespace: str, labels: Any) -> None:
    assert gathering.known(Need.NAMESPACE, request(namespace=namespace)) == Facts(labels)
    assert cluster.asked == []


@pytest.mark.parametrize("namespace", ["elsewhere", "", None])
def test_other_labels_are_not(gathering: Gather, namespace: str | None) -> None:
    assert gathering.known(Need.NAMESPACE, request(namespace=namespace)) is None


def test_pods_are_never_at_hand(gathering: Gather) -> None:
    assert gathering.known(Need.PODS, namespace_request({})) is None


@pytest.mark.parametrize("answer", [{"c": "d"}, {}, Unknown("no answer")])
async def test_labels_that_are_not_cached_are_fetched(gathering: Gather, cluster: Cluster, answer: Any) -> None:
    cluster.answer = answer
    assert await gathering.fetch(Need.NAMESPACE, request(namespace="elsewhere"), 12.5) == Facts(answer)
    assert cluster.asked == [("fetch", "elsewhere", 12.5)]


@pytest.mark.parametrize("namespace", ["", None])
async def test_a_request_without_a_namespace_is_not_looked_up(
    gathering: Gather, cluster: Cluster, namespace: str | None
) -> None:
    assert await gathering.fetch(Need.NAMESPACE, request(namespace=namespace), 12.5) == Facts(
        Unknown("the request names no namespace")
    )
    assert cluster.asked == []


@pytest.mark.parametrize("answer", [PodList([], 0), Unknown("no answer")])
async def test_pods_are_listed(gathering: Gather, cluster: Cluster, answer: Any) -> None:
    cluster.answer = answer
    assert await gathering.fetch(Need.PODS, namespace_request({}), time.monotonic() + 60) == Facts(pods=answer)
    assert [asked[:2] for asked in cluster.asked] == [("pods", "shop")]
    assert cluster.asked[0][3] == gather.MAX_PODS == 3000


@pytest.mark.parametrize("left,seconds", [(60.0, 1.0), (2.0, 1.0), (1.0, 0.5), (0.2, 0.1), (-5.0, 0.0)])
async def test_listing_pods_may_take_half_the_time_and_a_second_at_most(
    gathering: Gather, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, left: float, seconds: float
) -> None:
    monkeypatch.setattr(gather.time, "monotonic", lambda: 100.0)
    await gathering.fetch(Need.PODS, namespace_request({}, name=None), 100.0 + left)
    assert cluster.asked == [("pods", "", pytest.approx(100.0 + seconds), 3000)]

"""Namespaces as reviews need them: labels from the watch's cache, and live look-ups for what it does not have."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from app.core.facts import PodList
from app.core.unknown import Unknown
from app.errors import ClusterError

if TYPE_CHECKING:  # the HTTP client is only loaded where there is a cluster
    from app.cluster.api import Api
    from app.cluster.cache import LabelsCache

_log: Final = logging.getLogger("pratique.cluster")
POD_PAGE: Final = 250
LOOK_UP_SECONDS: Final = 5.0
"""A look-up that several reviews wait for may run this long even if the first of them has to leave earlier."""


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Namespace(msgspec.Struct):
    metadata: _Metadata


class _PodsMetadata(msgspec.Struct):
    next_page: str = msgspec.field(default="", name="continue")
    remaining: int | None = msgspec.field(default=None, name="remainingItemCount")


class _Pods(msgspec.Struct):
    metadata: _PodsMetadata
    items: list[msgspec.Raw] | None = None


class Namespaces:
    """The cluster's namespaces. Made by `open_namespaces`; used from the event loop's thread only."""

    def __init__(self, api: Api, cache: LabelsCache) -> None:
        """Use a cache that has been started."""
        self._api = api
        self._cache = cache
        self._flights: dict[str, asyncio.Task[Mapping[str, str] | Unknown]] = {}
        self._trouble = ""

    @property
    def ready(self) -> bool:
        """Whether the first complete list has been seen; stays true while the cluster cannot be reached."""
        return self._cache.ready

    @property
    def trouble(self) -> str:
        """Why labels are not being updated right now, in one line; empty while they are."""
        return self._cache.trouble

    @property
    def age(self) -> float | None:
        """Seconds since the API server last said anything; None before it first did."""
        return self._cache.age

    def __len__(self) -> int:
        """How many namespaces the cache has."""
        return len(self._cache.labels)

    def labels(self, name: str) -> Mapping[str, str] | None:
        """The labels from the cache, without I/O; None if it has no such namespace (yet). Treat as read-only."""
        return self._cache.labels.get(name)

    async def fetch(self, name: str, deadline: float) -> Mapping[str, str] | Unknown:
        """The labels by a live look-up until `deadline` (of time.monotonic); callers that ask at once share one."""
        flight = self._flights.get(name)
        if flight is None:
            until = max(deadline, time.monotonic() + LOOK_UP_SECONDS)
            flight = asyncio.create_task(asyncio.to_thread(self._look_up, name, until))
            self._flights[name] = flight
            flight.add_done_callback(lambda _: self._flights.pop(name, None))
        done, _ = await asyncio.wait({flight}, timeout=max(0.0, deadline - time.monotonic()))
        return flight.result() if done else Unknown(f'cannot read namespace "{name}": no answer in time')

    async def pods(self, name: str, deadline: float, limit: int) -> PodList | Unknown:
        """The namespace's pods, as many as come until `deadline` and at most `limit`, and how many there are."""
        found: list[PodList] = []
        work = asyncio.create_task(asyncio.to_thread(self._list_pods, name, deadline, limit, found.append))
        done, _ = await asyncio.wait({work}, timeout=max(0.0, deadline - time.monotonic()))
        if done and isinstance(error := work.result(), Unknown) and not found:
            return error
        return found[-1] if found else Unknown(f'cannot list the pods of namespace "{name}": no answer in time')

    async def close(self) -> None:
        """End the watch and close idle connections; look-ups under way end by their own deadlines."""
        await asyncio.to_thread(self._cache.stop)
        self._api.close()

    def _look_up(self, name: str, deadline: float) -> Mapping[str, str] | Unknown:
        """In a thread: one GET."""
        from app.cluster.api import ApiStatus  # noqa: PLC0415 - see the top

        try:
            body = self._api.get(f"/api/v1/namespaces/{quote(name, safe='')}", deadline)
            return msgspec.json.decode(body, type=_Namespace).metadata.labels or {}
        except ApiStatus as error:
            if error.status == 404:
                return Unknown(f'namespace "{name}" does not exist')
            return self._unknown(f'cannot read namespace "{name}"', error)
        except ClusterError as error:
            return self._unknown(f'cannot read namespace "{name}"', error)
        except msgspec.MsgspecError:
            return Unknown(f'cannot read namespace "{name}": the answer is no namespace')

    def _unknown(self, what: str, error: ClusterError) -> Unknown:
        """Tell users what failed, and only the log how: the error names addresses and accounts of the cluster."""
        from app.cluster.api import ApiStatus  # noqa: PLC0415 - see the top

        if error.summary != self._trouble:
            self._trouble = error.summary
            _log.warning("%s: %s", what, error.summary)
        if isinstance(error, ApiStatus):
            return Unknown(f"{what}: the Kubernetes API answered {error.status}{_phrase(error.status)}")
        return Unknown(f"{what}: the Kubernetes API does not answer")

    def _list_pods(self, name: str, deadline: float, limit: int, give: Callable[[PodList], None]) -> Unknown | None:
        """In a thread: page by page, handing over what there is after each."""
        path = f"/api/v1/namespaces/{quote(name, safe='')}/pods"
        pods: list[msgspec.Raw | bytes] = []
        token = ""
        while True:
            query: dict[str, str | int] = {"limit": min(POD_PAGE, limit - len(pods))}
            if token:
                query["continue"] = token
            try:
                page = msgspec.json.decode(self._api.get(path, deadline, **query), type=_Pods)
            except ClusterError as error:
                return self._unknown(f'cannot list the pods of namespace "{name}"', error)
            except msgspec.MsgspecError:
                return Unknown(f'cannot list the pods of namespace "{name}": the answer is no list')
            pods = [*pods, *(page.items or ())]
            token = page.metadata.next_page
            more = page.metadata.remaining or (1 if token else 0)
            give(PodList(pods, len(pods) + more))
            if not token or len(pods) >= limit:
                return None


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase.lower()})"
    except ValueError:
        return ""


def open_namespaces(kubeconfig: Path | None) -> Namespaces:
    """Start to watch the namespaces of a kubeconfig's cluster, or without one of the cluster we run in.

    Returns at once, while the first list is under way: see `ready`. Raises ConfigError when there is no usable access;
    an API server that cannot be reached is no error, it is asked again until it can.
    """
    from app.cluster import service_account  # noqa: PLC0415 - see the top
    from app.cluster.api import Api  # noqa: PLC0415
    from app.cluster.cache import LabelsCache  # noqa: PLC0415

    if kubeconfig is None:
        access = service_account.access(os.environ)
    else:
        from app.cluster import kubeconfig as reader  # noqa: PLC0415 - it brings the YAML reader

        access = reader.access([kubeconfig])
    api = Api(access)
    cache = LabelsCache(api)
    cache.start()
    return Namespaces(api, cache)

"""Facts for one review, fetched under its deadline: the only step of a review that may wait."""

from __future__ import annotations

import time
from typing import Final

from app.cluster.namespaces import Namespaces
from app.core.envelope import AdmissionRequest
from app.core.facts import Facts
from app.core.review import Need
from app.core.unknown import Unknown

MAX_PODS: Final = 3000
"""How many existing pods of a namespace are checked against a new level; Pod Security Admission's number."""
PODS_SECONDS: Final = 1.0
"""How long listing them may take; Pod Security Admission's number."""

_NO_FACTS: Final = Facts()


class Gather:
    """Turns needs into facts."""

    def __init__(self, namespaces: Namespaces | None) -> None:
        """Ask this source; without one there is no cluster, and every namespace counts as unlabelled."""
        self._namespaces = namespaces

    def known(self, need: Need, request: AdmissionRequest) -> Facts | None:
        """Give the facts if they are at hand without waiting, which they nearly always are; else None."""
        if need is Need.NOTHING or self._namespaces is None:
            return _NO_FACTS
        if need is Need.NAMESPACE:
            labels = self._namespaces.labels(request.namespace or "")
            return None if labels is None else Facts(labels)
        return None

    async def fetch(self, need: Need, request: AdmissionRequest, deadline: float) -> Facts:
        """Ask the cluster until `deadline` (of time.monotonic); what did not come by then is Unknown, never missing."""
        namespaces = self._namespaces
        if namespaces is None:
            return _NO_FACTS
        if need is Need.PODS:
            now = time.monotonic()
            until = now + min(PODS_SECONDS, max(0.0, (deadline - now) / 2))
            return Facts(pods=await namespaces.pods(request.name or "", until, MAX_PODS))
        if not request.namespace:
            return Facts(Unknown("the request names no namespace"))
        return Facts(await namespaces.fetch(request.namespace, deadline))

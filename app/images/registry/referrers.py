"""Pages of the referrers API: the next one is where the Link header says, if that is the same list."""

from __future__ import annotations

from app.images.registry.endpoint import Endpoint
from app.images.registry.errors import Failure, Kind
from app.images.registry.transport import Answer
from app.images.registry.urls import Url


def next_page(answer: Answer, endpoint: Endpoint, digest: str) -> str | None:
    """Give the path of the next page, below the repository's URL; None on the last one.

    Raises Failure for a link to another host or another list: the registry's credentials would go along.
    """
    for link in answer.headers.get("Link", "").split(","):
        target, _, parameters = link.partition(";")
        relation = parameters.replace(" ", "").lower()
        if 'rel="next"' not in relation and "rel=next" not in relation:
            continue
        target = target.strip()
        if not (target.startswith("<") and target.endswith(">")):
            raise Failure(Kind.PROTOCOL, "the link to the next page of referrers is not valid")
        path = f"/referrers/{digest}"
        url = Url.parse(target[1:-1], endpoint.url.below(path))
        expected = f"{endpoint.url.target}{path}"
        if url.origin != endpoint.url.origin or url.target.partition("?")[0] != expected:
            raise Failure(Kind.PROTOCOL, "the link to the next page of referrers leads elsewhere")
        return url.target.removeprefix(endpoint.url.target)
    return None

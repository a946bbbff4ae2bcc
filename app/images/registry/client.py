"""Registry: the four reads that verifying an image takes."""

from __future__ import annotations

import http.client
import string
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from app.core.images.reference import Reference
from app.images.registry.addresses import Lookup, system_lookup
from app.images.registry.content import (
    ACCEPT,
    OCI_INDEX,
    Descriptor,
    Manifest,
    digest_of,
    is_digest,
    manifest_type,
    referrers_of,
    require_digest,
)
from app.images.registry.credentials import Anonymous, Chain, Credential, CredentialSource, identity
from app.images.registry.endpoint import Endpoint, endpoints
from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.referrers import next_page
from app.images.registry.session import Resource, Session
from app.images.registry.settings import RegistrySettings
from app.images.registry.transport import Transport

T = TypeVar("T")

_LONGEST_TAG: Final = 128
_TAG: Final = frozenset(f"{string.ascii_letters}{string.digits}_.-")
_NO_REFERRERS: Final = frozenset({400, 404, 405, 406, 501})
"""How registries without the referrers API answer."""
_ELSEWHERE: Final = frozenset(
    {Kind.UNREACHABLE, Kind.TIMEOUT, Kind.NOT_FOUND, Kind.RATE_LIMITED, Kind.TLS, Kind.UNAUTHORIZED, Kind.PROTOCOL}
)
"""Failures of a mirror after which the next endpoint is asked."""


class Registry:
    """A client for all registries. Blocking; all methods may be called from several threads.

    Every method takes `creds`, the credentials of whoever asks (a pod's pull secrets; those of the constructor come
    after them), and `deadline`, a value of time.monotonic by which it returns. Every method raises RegistryError, and
    what the sources of credentials raise.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        credentials: CredentialSource | None = None,
        *,
        lookup: Lookup = system_lookup,
    ) -> None:
        """`lookup` resolves names; tests replace it."""
        self._settings = settings
        self._credentials = credentials or Anonymous()
        self._transport = Transport(settings, lookup)
        self._session = Session(settings, self._transport)
        self._lock = threading.Lock()
        self._descriptors: OrderedDict[tuple[str, str, str], Descriptor] = OrderedDict()

    def identity(self, context: str, creds: CredentialSource | None) -> str:
        """What a cache of this context's content has to tell callers apart by; '' for anonymous access."""
        return identity(self._source(creds).candidates(context))

    def resolve(self, ref: Reference, creds: CredentialSource | None, deadline: float) -> Descriptor:
        """Find what a reference names now. The digest was computed from the manifest, at this time or before."""
        source = self._source(creds)
        wanted = ref.digest
        if not wanted:
            wanted = self._claimed(ref, source, deadline)
        if wanted:
            known = self._recall(ref.context, wanted, source)
            if known is not None:
                return known
        found = self._manifest(ref.context, wanted or ref.tag, source, deadline, self._settings.manifest_bytes)
        descriptor = Descriptor(found.digest, found.media_type, len(found.content))
        self._remember(ref.context, descriptor, source)
        return descriptor

    def manifest(
        self,
        context: str,
        reference: str,
        creds: CredentialSource | None,
        deadline: float,
        limit: int | None = None,
    ) -> Manifest:
        """Fetch a manifest or index of `registry/repository` by digest or tag; at most `limit` bytes."""
        source = self._source(creds)
        found = self._manifest(context, reference, source, deadline, limit or self._settings.manifest_bytes)
        self._remember(context, Descriptor(found.digest, found.media_type, len(found.content)), source)
        return found

    def blob(
        self,
        context: str,
        digest: str,
        creds: CredentialSource | None,
        deadline: float,
        limit: int | None = None,
    ) -> bytes:
        """Fetch content of `registry/repository` by digest; at most `limit` bytes."""
        resource = Resource(f"/blobs/{digest}", limit or self._settings.blob_bytes)

        def read(endpoint: Endpoint, credentials: list[Credential], operation: Operation) -> bytes:
            _require_sha256(digest)
            content = self._session.fetch(endpoint, resource, credentials, operation).body
            require_digest(content, digest)
            return content

        return self._anywhere(context, f"blob {digest[:19]} of {_repository(context)}", creds, deadline, read)

    def referrers(
        self, context: str, digest: str, creds: CredentialSource | None, deadline: float
    ) -> list[Descriptor] | None:
        """List what refers to a digest, in the registry's order; None where the registry has no referrers API."""
        operation = f"referrers of {digest[:19]} in {_repository(context)}"

        def read(endpoint: Endpoint, credentials: list[Credential], operation: Operation) -> list[Descriptor] | None:
            _require_sha256(digest)
            return self._pages(endpoint, digest, credentials, operation)

        return self._anywhere(context, operation, creds, deadline, read, enough=bool)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _source(self, creds: CredentialSource | None) -> CredentialSource:
        return self._credentials if creds is None else Chain((creds, self._credentials))

    def _claimed(self, ref: Reference, source: CredentialSource, deadline: float) -> str:
        """Ask which digest a tag has, as a hint: HEAD requests count against no registry's pull limit."""
        resource = Resource(f"/manifests/{ref.tag}", 0, ACCEPT, "HEAD", frozenset({400, 403, 404, 405, 501}))

        def read(endpoint: Endpoint, credentials: list[Credential], operation: Operation) -> str:
            answer = self._session.fetch(endpoint, resource, credentials, operation)
            if answer.status == http.client.OK:
                claimed = answer.headers.get("Docker-Content-Digest", "").strip()
                return claimed if is_digest(claimed) else ""
            return ""

        return self._anywhere(
            ref.context, f"tag {ref.tag} of {ref.repository}", source, deadline, read, chained=True, enough=bool
        )

    def _manifest(
        self, context: str, reference: str, source: CredentialSource, deadline: float, limit: int
    ) -> Manifest:
        resource = Resource(f"/manifests/{reference}", limit, ACCEPT)
        by_digest = ":" in reference

        def read(endpoint: Endpoint, credentials: list[Credential], operation: Operation) -> Manifest:
            _require_reference(reference)
            answer = self._session.fetch(endpoint, resource, credentials, operation)
            if by_digest:
                require_digest(answer.body, reference)
            header = answer.headers.get("Content-Type", "")
            media_type = manifest_type(answer.body, header, self._settings.json_depth)
            return Manifest(answer.body, media_type, digest_of(answer.body))

        shown = reference[:19] if by_digest else reference
        return self._anywhere(
            context, f"manifest {shown} of {_repository(context)}", source, deadline, read, chained=True
        )

    def _pages(
        self, endpoint: Endpoint, digest: str, credentials: list[Credential], operation: Operation
    ) -> list[Descriptor] | None:
        found: list[Descriptor] = []
        path = f"/referrers/{digest}"
        seen = {path}
        left = self._settings.blob_bytes
        for page in range(self._settings.pages):
            resource = Resource(path, min(left, self._settings.manifest_bytes), OCI_INDEX, absent=_NO_REFERRERS)
            answer = self._session.fetch(endpoint, resource, credentials, operation)
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if answer.status != http.client.OK or media_type != OCI_INDEX:
                if page:
                    raise Failure(Kind.PROTOCOL, "a further page of referrers is none", status=answer.status)
                return None
            found += referrers_of(answer.body, self._settings.json_depth)
            left -= len(answer.body)
            following = next_page(answer, endpoint, digest)
            if following is None and len(found) <= self._settings.referrers:
                return found
            if len(found) > self._settings.referrers or left <= 0:
                break
            if following in seen or following is None:
                raise Failure(Kind.PROTOCOL, "the pages of referrers go in a circle")
            seen.add(following)
            path = following
        raise Failure(Kind.TOO_LARGE, "it lists more referrers than are read")

    def _anywhere(  # noqa: PLR0913 - a call in all its parts
        self,
        context: str,
        name: str,
        creds: CredentialSource | None,
        deadline: float,
        read: Callable[[Endpoint, list[Credential], Operation], T],
        *,
        chained: bool = False,
        enough: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """Read from the first endpoint that has something; one that fails leaves half of the time to the next."""
        source = creds if chained and creds is not None else self._source(creds)
        registry = context.partition("/")[0]
        overall = Operation(registry, name, deadline)
        with _reported(overall):
            chain = endpoints(context, self._settings)
            for endpoint in chain[:-1]:
                until = overall.deadline - max(0.0, overall.left()) / 2
                try:
                    part = Operation(registry, name, until)
                    with _reported(part):
                        result = read(endpoint, list(source.candidates(endpoint.context)), part)
                except Exception as trouble:
                    if getattr(trouble, "kind", None) not in _ELSEWHERE:
                        raise
                    continue
                if enough(result):
                    return result
            endpoint = chain[-1]
            return read(endpoint, list(source.candidates(endpoint.context)), overall)

    def _recall(self, context: str, digest: str, source: CredentialSource) -> Descriptor | None:
        with self._lock:
            key = (context, digest, identity(source.candidates(context)))
            found = self._descriptors.get(key)
            if found is not None:
                self._descriptors.move_to_end(key)
            return found

    def _remember(self, context: str, descriptor: Descriptor, source: CredentialSource) -> None:
        key = (context, descriptor.digest, identity(source.candidates(context)))
        with self._lock:
            self._descriptors[key] = descriptor
            if len(self._descriptors) > self._settings.cached:
                self._descriptors.popitem(last=False)


@contextmanager
def _reported(operation: Operation) -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        raise operation.error(failure) from None


def _require_sha256(digest: str) -> None:
    if not is_digest(digest):
        raise Failure(Kind.PROTOCOL, "only sha256 digests in lower case are accepted")


def _require_reference(reference: str) -> None:
    """Tags become part of URLs, too."""
    if ":" in reference:
        _require_sha256(reference)
    elif not 0 < len(reference) <= _LONGEST_TAG or not set(reference) <= _TAG or reference[0] in ".-":
        raise Failure(Kind.PROTOCOL, "it is asked for what is no tag", hint="check the tag")


def _repository(context: str) -> str:
    return context.partition("/")[2]

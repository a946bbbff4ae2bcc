"""One resource of a repository: credentials in turn, redirects by hand, and a Failure for every other answer."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.images.registry.addresses import Scope
from app.images.registry.auth import Authenticator
from app.images.registry.credentials import Credential
from app.images.registry.endpoint import Endpoint
from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.patience import ask
from app.images.registry.settings import HostSettings, RegistrySettings
from app.images.registry.transport import Answer, Request, Transport
from app.images.registry.urls import Url

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSALS: Final = frozenset({http.client.UNAUTHORIZED, http.client.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Resource:
    """What is wanted of an endpoint."""

    path: str
    """Below the repository's URL, with a query where there is one."""
    limit: int
    accept: str = ""
    method: str = "GET"
    absent: frozenset[int] = field(default_factory=frozenset)
    """Statuses, besides 200, that are returned and not raised."""


class Session:
    """Fetches resources. Safe for use by several threads."""

    def __init__(self, settings: RegistrySettings, transport: Transport) -> None:
        """Share one by all threads: it remembers tokens."""
        self._settings = settings
        self._transport = transport
        self._authenticator = Authenticator(settings, transport)

    def fetch(
        self, endpoint: Endpoint, resource: Resource, credentials: Sequence[Credential], operation: Operation
    ) -> Answer:
        """Give an answer of status 200 or one of `absent`, with the first credential that gets one. Raises Failure."""
        tried: Sequence[Credential | None] = credentials[: self._settings.credentials] or (None,)
        refused: Failure | None = None
        for credential in tried:
            operation.require_time()
            if credential is not None:
                operation.hide(*credential.secrets)
            try:
                answer = self._as(endpoint, resource, credential, operation)
            except Failure as failure:
                if failure.kind is not Kind.UNAUTHORIZED:
                    raise
                refused = refused or failure
                continue
            if answer.status not in _REFUSALS or answer.status in resource.absent:
                return _expected(answer, resource)
            refused = refused or _refusal(answer, credential)
        raise refused or Failure(Kind.UNAUTHORIZED, "it refuses access")

    def _as(
        self, endpoint: Endpoint, resource: Resource, credential: Credential | None, operation: Operation
    ) -> Answer:
        """Ask with what is known of this credential, and log in if that is refused; at most twice, as tokens expire."""
        header = self._authenticator.known(endpoint, credential)
        answer = self._follow(endpoint, resource, header, operation)
        if answer.status != http.client.UNAUTHORIZED:
            return answer
        self._authenticator.forget(endpoint, credential)
        header = self._authenticator.answer(answer, endpoint, credential, operation)
        if not header:
            return answer
        answer = self._follow(endpoint, resource, header, operation)
        if answer.status in _REFUSALS:
            self._authenticator.forget(endpoint, credential)
        return answer

    def _follow(self, endpoint: Endpoint, resource: Resource, header: str, operation: Operation) -> Answer:
        """Ask, and go where redirects lead; the Authorization stays with the registry's own origin."""
        first = url = endpoint.url.below(resource.path)
        rules = endpoint.rules
        operation.hide(header.partition(" ")[2])
        for hop in range(self._settings.redirects + 1):
            headers = {"Accept": resource.accept} if resource.accept else {}
            if header and url.origin == first.origin:
                headers["Authorization"] = header
            request = Request(url, rules, headers, resource.method, limit=resource.limit)
            try:
                answer = ask(self._transport, request, operation)
            except Failure as failure:
                if hop == 0:
                    raise
                raise _elsewhere(failure, url) from None
            if answer.status not in _REDIRECTS:
                if answer.status in _REFUSALS and url.origin != first.origin:
                    raise Failure(
                        Kind.PROTOCOL, f"it redirects to {url.netloc}, which refuses access", status=answer.status
                    )
                return answer
            url = Url.parse(answer.headers.get("Location", ""), url)
            rules = self._hop_rules(url, endpoint, private=answer.scope is Scope.PRIVATE, answer=answer)
        raise Failure(Kind.PROTOCOL, f"it redirects more than {self._settings.redirects} times")

    def _hop_rules(self, url: Url, endpoint: Endpoint, *, private: bool, answer: Answer) -> HostSettings:
        """Settings for a redirect's target: without TLS only where that is configured for the target."""
        if (url.host, url.port) == (endpoint.url.host, endpoint.url.port):
            rules = endpoint.rules
        else:
            rules = self._settings.foreign(endpoint.rules, url.host, url.port, private=private)
        if url.scheme != "https" and not (endpoint.rules.http and rules.http):
            raise Failure(
                Kind.PROTOCOL,
                "it redirects to a URL without TLS",
                hint="redirects are followed over https only",
                status=answer.status,
            )
        return rules


def _elsewhere(failure: Failure, url: Url) -> Failure:
    return Failure(
        failure.kind, f"redirected to {url.netloc}: {failure.detail}", hint=failure.hint, status=failure.status
    )


def _refusal(answer: Answer, credential: Credential | None) -> Failure:
    if credential is None:
        return Failure(
            Kind.UNAUTHORIZED,
            "it refuses anonymous access",
            hint="if the repository exists and is private, it needs a pull secret",
            status=answer.status,
        )
    return Failure(Kind.UNAUTHORIZED, "it does not accept the credentials", status=answer.status)


_MEANINGS: Final[Mapping[int, tuple[Kind, str]]] = {
    http.client.NOT_FOUND: (Kind.NOT_FOUND, "not found"),
    http.client.GONE: (Kind.NOT_FOUND, "not found"),
}


def _expected(answer: Answer, resource: Resource) -> Answer:
    if answer.status == http.client.OK or answer.status in resource.absent:
        return answer
    if answer.status in _MEANINGS:
        kind, detail = _MEANINGS[answer.status]
    elif answer.status >= http.client.INTERNAL_SERVER_ERROR:
        kind, detail = Kind.UNREACHABLE, "it fails"
    else:
        kind, detail = Kind.PROTOCOL, "the answer is not one that was expected"
    raise Failure(kind, detail, status=answer.status)

"""Logging in: Basic, and bearer tokens from a token service that the registry names and we may not trust.

The realm of a challenge is the registry's word: it decides where a request goes, and a credential with it. So it is
https (or on the registry's own host, where that is configured as plain HTTP), its address is judged, and the credential
goes along only if the host is the registry's own, or one that the settings name for it. The scope is ours: pulling from
this repository.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import OrderedDict
from typing import Final
from urllib.parse import urlencode

import msgspec

from app.images.registry.challenge import Challenge, challenges
from app.images.registry.content import require_shallow
from app.images.registry.credentials import Credential
from app.images.registry.endpoint import Endpoint
from app.images.registry.errors import Failure, Kind
from app.images.registry.operation import Operation
from app.images.registry.patience import ask
from app.images.registry.settings import HostSettings, RegistrySettings, token_hosts
from app.images.registry.transport import Answer, Request, Transport
from app.images.registry.urls import Url

_CLIENT: Final = "pratique"
_DEFAULT_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 3600.0
_LONGEST_TOKEN: Final = 32 * 1024
_LONGEST_SERVICE: Final = 256


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float = _DEFAULT_SECONDS


class Authenticator:
    """Authorization headers by registry, repository and credential, remembered until shortly before they expire."""

    def __init__(self, settings: RegistrySettings, transport: Transport) -> None:
        """Share one by all threads."""
        self._settings = settings
        self._transport = transport
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], tuple[str, float]] = OrderedDict()

    def known(self, endpoint: Endpoint, credential: Credential | None) -> str:
        """Give the header that this registry accepted before; '' where none is known."""
        key = _key(endpoint, credential)
        with self._lock:
            header, until = self._known.get(key, ("", 0.0))
            if header and until <= time.monotonic():
                del self._known[key]
                return ""
            return header

    def forget(self, endpoint: Endpoint, credential: Credential | None) -> None:
        """Drop what the registry does not accept any more."""
        with self._lock:
            self._known.pop(_key(endpoint, credential), None)

    def answer(self, refusal: Answer, endpoint: Endpoint, credential: Credential | None, operation: Operation) -> str:
        """Give the header that a 401 asks for; '' where this credential has none to give. Raises Failure."""
        offered = challenges(refusal.headers.getlist("WWW-Authenticate"))
        bearer = next((challenge for challenge in offered if challenge.scheme == "bearer"), None)
        header, seconds = "", _LONGEST_SECONDS
        if bearer is not None and credential is not None and credential.registry_token:
            header = f"Bearer {credential.registry_token}"
        elif bearer is not None:
            header, seconds = self._token(bearer, endpoint, credential, refusal, operation)
        elif offered and credential is not None:
            header = credential.basic
        if header:
            operation.hide(header.partition(" ")[2])
            with self._lock:
                self._known[_key(endpoint, credential)] = header, time.monotonic() + seconds
                if len(self._known) > self._settings.cached:
                    self._known.popitem(last=False)
        return header

    def _token(
        self,
        challenge: Challenge,
        endpoint: Endpoint,
        credential: Credential | None,
        refusal: Answer,
        operation: Operation,
    ) -> tuple[str, float]:
        url = Url.parse(challenge.realm)
        rules = self._rules(url, endpoint, credential, refusal)
        asked = {"scope": f"repository:{endpoint.repository}:pull"}
        service = challenge.service
        if service and len(service) <= _LONGEST_SERVICE and all(" " <= character <= "~" for character in service):
            asked["service"] = service
        try:
            answer = ask(self._transport, self._request(url, rules, asked, credential), operation)
        except Failure as failure:
            raise Failure(
                failure.kind,
                f"token service {url.netloc}: {failure.detail}",
                hint=failure.hint,
                status=failure.status,
            ) from None
        return _read(answer, url, self._settings.json_depth, anonymous=credential is None)

    def _request(self, url: Url, rules: HostSettings, asked: dict[str, str], credential: Credential | None) -> Request:
        limit = self._settings.token_bytes
        if credential is not None and credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": _CLIENT,
                "refresh_token": credential.identity_token,
                **asked,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request(url, rules, headers, "POST", urlencode(form).encode(), limit)
        target = f"{url.target}{'&' if '?' in url.target else '?'}{urlencode(asked)}"
        headers = {"Authorization": credential.basic} if credential is not None and credential.basic else {}
        return Request(Url(url.scheme, url.host, url.port, target), rules, headers, limit=limit)

    def _rules(self, url: Url, endpoint: Endpoint, credential: Credential | None, refusal: Answer) -> HostSettings:
        """Settings for connecting to the token service. Raises Failure where it may not be asked."""
        own = url.host == endpoint.url.host
        listed = not token_hosts(endpoint.registry, endpoint.rules).isdisjoint({url.host, f"{url.host}:{url.port}"})
        named = self._settings.named(url.host, url.port)
        plain_http = endpoint.rules.http and (own or (listed and named is not None and named.http))
        if url.scheme != "https" and not plain_http:
            raise Failure(
                Kind.PROTOCOL,
                "it names a token service without TLS",
                hint="credentials and tokens are exchanged over https only",
                status=refusal.status,
            )
        if credential is not None and not (own or listed):
            raise Failure(
                Kind.UNAUTHORIZED,
                f"it wants its credentials to be sent to {url.netloc}, another host",
                hint="if that is its token service, list the host in the registry's token hosts",
                status=refusal.status,
            )
        if own:
            return named or endpoint.rules
        return self._settings.foreign(endpoint.rules, url.host, url.port, private=listed)


def _key(endpoint: Endpoint, credential: Credential | None) -> tuple[str, str, str]:
    return endpoint.host, endpoint.repository, credential.identity if credential is not None else ""


def _read(answer: Answer, url: Url, depth: int, *, anonymous: bool) -> tuple[str, float]:
    service = f"token service {url.netloc}"
    if answer.status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN, http.client.BAD_REQUEST}:
        hint = "if the repository exists and is private, it needs a pull secret" if anonymous else ""
        detail = f"{service} gives no token{' for anonymous access' if anonymous else ''}"
        raise Failure(Kind.UNAUTHORIZED, detail, hint=hint, status=answer.status)
    if answer.status >= http.client.INTERNAL_SERVER_ERROR:
        raise Failure(Kind.UNREACHABLE, f"{service} fails", status=answer.status)
    if answer.status != http.client.OK:  # also redirects: nobody but the realm's host is asked
        raise Failure(Kind.PROTOCOL, f"{service} gives no token", status=answer.status)
    require_shallow(answer.body, depth)
    try:
        found = msgspec.json.decode(answer.body, type=_Token)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Failure(Kind.PROTOCOL, f"{service} gives no token that can be read", status=answer.status) from None
    token = found.token or found.access_token
    if not 0 < len(token) <= _LONGEST_TOKEN or not all("!" <= character <= "~" for character in token):
        raise Failure(Kind.PROTOCOL, f"{service} gives no token that can be sent", status=answer.status)
    seconds = min(max(found.expires_in, 0.0), _LONGEST_SECONDS) if found.expires_in else _DEFAULT_SECONDS
    return f"Bearer {token}", seconds * 0.9

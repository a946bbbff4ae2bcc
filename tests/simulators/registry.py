"""An OCI registry in this process: threads, HTTP or HTTPS on a free loopback port, and faults on request.

    with OciRegistry() as registry:                                  # plain HTTP
        digest = registry.push_image("team/app", "v1")               # an image manifest with a config and one layer
        child, index = ..., registry.push_index("team/app", [digest], "multi")
        registry.push_artifact("team/app", digest, "application/vnd.dev.sigstore.bundle.v0.3+json",
                               [Layer(bundle, "application/vnd.dev.sigstore.bundle.v0.3+json")])   # a referrer
        registry.push_artifact("team/app", None, "", [Layer(payload, SIMPLE, annotations)], tag="sha256-<hex>.sig")
        Reference.parse(f"{registry.netloc}/team/app:v1")

    OciRegistry(authority)                        HTTPS with a certificate of tests.kube.certs.Authority for 127.0.0.1
    OciRegistry(authority, names=("r.example",))  ... for other names (resolve them with the client's `lookup`)
    OciRegistry(pair=pair)                        HTTPS with this certificate
    OciRegistry(users={"ann": "secret"})          bearer tokens from its own /token, for these users
    OciRegistry(users=..., scheme="basic")        Basic instead
    OciRegistry(users=..., anonymous=True)        tokens also without credentials
    OciRegistry(referrers=False)                  no referrers API (404): signatures are found by fallback tag, which
                                                  push_artifact keeps up to date

    registry.client_settings()                    HostSettings for app.images.registry that allow loopback, and trust it
    registry.fault(action, path="*/manifests/*")  answers matching requests with an action of registry_faults, always
    registry.fault(action, times=1)               ... or so many times; the last fault set wins
    registry.heal()                               no faults any more
    registry.requests                             every request so far: method, path, query, headers, body
    registry.tag(repository, tag, digest), registry.untag(repository, tag)
    registry.realm = "https://other/token"        where challenges send clients
    registry.tokens                               tokens that count, by repository; clear() makes clients log in anew
    registry.connections                          how many were made (to see keep-alive)
    registry.page_size = 2                        referrers come in pages

Paths in faults are shell patterns over the path without the query, methods likewise.
"""

from __future__ import annotations

import base64
import fnmatch
import ipaddress
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

from app.images.registry.settings import HostSettings
from tests.kube.certs import Authority, Pair
from tests.simulators.registry_faults import Action, Request, Visit
from tests.simulators.registry_http import Server
from tests.simulators.registry_store import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, Layer, Store, digest_of

__all__ = ["CONFIG", "EMPTY", "INDEX", "LAYER", "LOOPBACK", "MANIFEST", "Layer", "OciRegistry", "digest_of"]

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass
class _Fault:
    action: Action
    path: str
    method: str
    times: float


class OciRegistry(Store):
    """The registry; `with` starts and stops it. See the module for what it can do."""

    def __init__(
        self,
        authority: Authority | None = None,
        *,
        names: Sequence[str] = ("127.0.0.1",),
        pair: Pair | None = None,
        users: Mapping[str, str] | None = None,
        scheme: str = "bearer",
        anonymous: bool = False,
        referrers: bool = True,
    ) -> None:
        super().__init__(referrers=referrers)
        self.authority = authority
        self.users = users
        self.scheme = scheme
        self.anonymous = anonymous
        self.page_size = 0
        self.realm = ""
        self.identity_tokens: set[str] = set()
        """Refresh tokens that /token exchanges."""
        self.token_seconds = 300
        self.requests: list[Request] = []
        self.tokens: dict[str, str] = {}
        self._faults: list[_Fault] = []
        if pair is None and authority is not None:
            pair = authority.issue(*names)
        self._secure = pair is not None
        self._server = Server(pair, self._answer)
        self.port = self._server.server_port
        self.netloc = f"{names[0]}:{self.port}"
        """Host and port, for references."""
        self.url = f"{'https' if self._secure else 'http'}://{self.netloc}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(10)

    @property
    def connections(self) -> int:
        return self._server.connections

    def disconnect(self) -> None:
        """End all connections, also those that clients keep."""
        self._server.disconnect()

    def client_settings(self, **more: Any) -> HostSettings:
        """Settings with which a client may talk to this registry."""
        bundle = self.authority.pem if self.authority is not None else b""
        return HostSettings(**{"ca_bundle": bundle, "http": not self._secure, "allow": LOOPBACK, **more})

    # What tests break.

    def fault(self, action: Action, path: str = "*", *, method: str = "*", times: float = float("inf")) -> None:
        """Answer matching requests with an action."""
        with self._lock:
            self._faults.append(_Fault(action, path, method, times))

    def heal(self) -> None:
        """Answer as registries should again."""
        with self._lock:
            self._faults.clear()

    def paths(self, method: str = "*") -> list[str]:
        """Paths of the requests so far."""
        return [request.path for request in self.requests if fnmatch.fnmatchcase(request.method, method)]

    # What clients get.

    def _answer(self, visit: Visit) -> None:
        request = visit.request
        with self._lock:
            self.requests.append(request)
            action = self._due(request)
        if action is not None:
            action(visit)
        elif request.path == "/token":
            self._token(visit)
        elif request.path.startswith("/v2/"):
            self._serve(visit, request.path.removeprefix("/v2/"))
        else:
            visit.reply(404)

    def _due(self, request: Request) -> Action | None:
        for fault in reversed(self._faults):
            if (
                fault.times > 0
                and fnmatch.fnmatchcase(request.path, fault.path)
                and fnmatch.fnmatchcase(request.method, fault.method)
            ):
                fault.times -= 1
                return fault.action
        return None

    def _serve(self, visit: Visit, path: str) -> None:
        parts = path.rsplit("/", 2)
        if len(parts) != 3:
            visit.reply(200 if not path else 404)
            return
        repository, kind, name = parts
        if not self._admitted(visit.request, repository):
            visit.reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": self._challenge(repository)})
            return
        with self._lock:
            stored = self._repositories[repository]
            if kind == "manifests":
                digest = stored.tags.get(name, name)
                found = stored.manifests.get(digest)
                if found is not None:
                    visit.reply(200, found[0], {"Content-Type": found[1], "Docker-Content-Digest": digest})
                    return
            elif kind == "blobs" and name in stored.blobs:
                visit.reply(200, stored.blobs[name], {"Content-Type": "application/octet-stream"})
                return
            elif kind == "referrers" and self.has_referrers:
                self._page(visit, repository, name)
                return
        visit.reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', {"Content-Type": "application/json"})

    def _page(self, visit: Visit, repository: str, digest: str) -> None:
        entries = self._repositories[repository].referrers.get(digest, [])
        start = int(visit.request.query.get("start", "0"))
        end = start + self.page_size if self.page_size else len(entries)
        headers = {"Content-Type": INDEX}
        if end < len(entries):
            headers["Link"] = f'</v2/{repository}/referrers/{digest}?start={end}>; rel="next"'
        page = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[start:end]}
        visit.reply(200, json.dumps(page).encode(), headers)

    def _admitted(self, request: Request, repository: str) -> bool:
        if self.users is None:
            return True
        if self.scheme == "basic":
            return self._user(request) is not None
        return bool(self.tokens) and request.authorization == f"Bearer {self.tokens.get(repository)}"

    def _user(self, request: Request) -> str | None:
        scheme, _, encoded = request.authorization.partition(" ")
        if scheme != "Basic":
            return None
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return name if (self.users or {}).get(name) == password else None

    def _challenge(self, repository: str) -> str:
        if self.scheme == "basic":
            return 'Basic realm="registry"'
        realm = self.realm or f"{self.url}/token"
        return f'Bearer realm="{realm}",service="{self.netloc}",scope="repository:{repository}:pull"'

    def _token(self, visit: Visit) -> None:
        asked = visit.request.query
        if visit.request.method == "POST":
            asked = dict(parse_qsl(visit.request.body.decode()))
            admitted = asked.get("refresh_token") in self.identity_tokens
        else:
            admitted = self._user(visit.request) is not None or (self.anonymous and not visit.request.authorization)
        if not admitted:
            visit.reply(401, b"{}", {"Content-Type": "application/json"})
            return
        repository = asked["scope"].split(":")[1]
        with self._lock:
            token = self.tokens.setdefault(repository, secrets.token_urlsafe(16))
        body = json.dumps({"token": token, "expires_in": self.token_seconds}).encode()
        visit.reply(200, body, {"Content-Type": "application/json"})

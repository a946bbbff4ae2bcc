"""A small Kubernetes API server that knows namespaces and their pods, over plain HTTP on loopback.

It answers what the Pod Security Admission webhook and Pratique ask of an API server: list, get and watch of namespaces
(with and without `sendInitialEvents`), and lists of pods in one namespace with `limit` and `continue`. Objects live in
memory; `put`, `delete` and `put_pods` change them while it runs, and watchers are told.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

WATCH_IDLE_SECONDS = 300.0


class NamespacesApi:
    """The store and its HTTP server; a context manager that serves between `__enter__` and `__exit__`.

    `requests` counts what was asked, by `"<verb> <resource>"` (list, get, watch), so tests can tell live reads from
    cached ones.
    """

    def __init__(self, namespaces: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Start with `namespaces`: name to labels."""
        self._changed = threading.Condition()
        self._version = 1000
        self._namespaces: dict[str, Json] = {}
        self._pods: dict[str, list[Json]] = {}
        self._events: list[tuple[int, str, Json]] = []
        self._closed = False
        self.requests: dict[str, int] = {}
        for name, labels in (namespaces or {}).items():
            self.put(name, labels)
        self._server = _Server(self)

    def __enter__(self) -> Self:
        """Serve on a free loopback port, in a thread."""
        threading.Thread(target=self._server.serve_forever, name="namespaces-api", daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop serving; open watches end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads here to `path` and return it."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "simulated", "cluster": {"server": self.url}}],
            "users": [{"name": "simulated", "user": {"token": "simulated"}}],
            "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": "simulated"}}],
            "current-context": "simulated",
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        """Create namespace `name`, or replace its labels."""
        with self._changed:
            self._version += 1
            old = self._namespaces.get(name)
            metadata: Json = {
                "name": name,
                "uid": old["metadata"]["uid"] if old else str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                "resourceVersion": str(self._version),
                "creationTimestamp": "2024-01-01T00:00:00Z",
                "labels": {"kubernetes.io/metadata.name": name, **labels},
            }
            new = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": metadata,
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
            self._namespaces[name] = new
            self._events.append((self._version, "MODIFIED" if old else "ADDED", new))
            self._changed.notify_all()

    def delete(self, name: str) -> None:
        """Delete namespace `name` and its pods.

        Raises:
            KeyError: there is no such namespace.
        """
        with self._changed:
            self._version += 1
            gone = self._namespaces.pop(name)
            self._pods.pop(name, None)
            gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self._version)}}
            self._events.append((self._version, "DELETED", gone))
            self._changed.notify_all()

    def put_pods(self, namespace: str, pods: Iterable[Json]) -> None:
        """Let `namespace` hold exactly `pods`."""
        with self._changed:
            self._pods[namespace] = list(pods)

    def count(self, what: str) -> None:
        """Note one request; `what` is `"<verb> <resource>"`."""
        with self._changed:
            self.requests[what] = self.requests.get(what, 0) + 1

    def namespace(self, name: str) -> Json | None:
        """The Namespace object called `name`."""
        with self._changed:
            return self._namespaces.get(name)

    def namespaces(self) -> tuple[int, list[Json]]:
        """The resource version and all Namespace objects."""
        with self._changed:
            return self._version, list(self._namespaces.values())

    def pods(self, namespace: str) -> list[Json]:
        """The pods of `namespace`."""
        with self._changed:
            return self._pods.get(namespace, [])

    def events_after(self, version: int) -> list[tuple[int, str, Json]] | None:
        """Wait for changes after `version`; `None` once the server stops, an empty list after a quiet spell."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._events and self._events[-1][0] > version), timeout=WATCH_IDLE_SECONDS
            )
            if self._closed:
                return None
            return [event for event in self._events if event[0] > version]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api: NamespacesApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
        """Stay quiet."""

    def do_GET(self) -> None:
        """Answer one GET."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        match [unquote(part) for part in url.path.strip("/").split("/")]:
            case ["api", "v1", "namespaces"]:
                self._namespaces(query)
            case ["api", "v1", "namespaces", name]:
                self._namespace(name)
            case ["api", "v1", "namespaces", name, "pods"]:
                self._pods(name, query)
            case ["version"]:
                self._send({"major": "1", "minor": "37", "gitVersion": "v1.37.0"})
            case _:
                self._fail(HTTPStatus.NOT_FOUND, "NotFound", f"no such path: {url.path}")

    def _namespaces(self, query: Mapping[str, list[str]]) -> None:
        if query.get("watch", [""])[0] in {"1", "true"}:
            self._watch(query)
            return
        self.server.api.count("list namespaces")
        version, items = self.server.api.namespaces()
        for field in query.get("fieldSelector", []):
            wanted = field.removeprefix("metadata.name=")
            items = [item for item in items if item["metadata"]["name"] == wanted]
        metadata = {"resourceVersion": str(version)}
        self._send({"apiVersion": "v1", "kind": "NamespaceList", "metadata": metadata, "items": items})

    def _namespace(self, name: str) -> None:
        self.server.api.count("get namespaces")
        found = self.server.api.namespace(name)
        if found is None:
            self._fail(HTTPStatus.NOT_FOUND, "NotFound", f'namespaces "{name}" not found', kind="namespaces", name=name)
        else:
            self._send(found)

    def _pods(self, namespace: str, query: Mapping[str, list[str]]) -> None:
        self.server.api.count("list pods")
        pods = self.server.api.pods(namespace)
        start = int(query.get("continue", ["0"])[0] or 0)
        limit = int(query.get("limit", ["0"])[0] or 0) or len(pods)
        metadata: Json = {"resourceVersion": "1000"}
        if start + limit < len(pods):
            metadata |= {"continue": str(start + limit), "remainingItemCount": len(pods) - start - limit}
        items = pods[start : start + limit]
        self._send({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items})

    def _watch(self, query: Mapping[str, list[str]]) -> None:
        api = self.server.api
        api.count("watch namespaces")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        version = int(query.get("resourceVersion", ["0"])[0] or 0)
        if query.get("sendInitialEvents", [""])[0] == "true":
            version, items = api.namespaces()
            for item in items:
                self._chunk({"type": "ADDED", "object": item})
            annotations = {"k8s.io/initial-events-end": "true"}
            mark = {"resourceVersion": str(version), "annotations": annotations}
            self._chunk({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": mark}})
        try:
            self.wfile.flush()
            while (events := api.events_after(version)) is not None:
                for number, kind, item in events:
                    self._chunk({"type": kind, "object": item})
                    version = number
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def _chunk(self, event: Json) -> None:
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))

    def _send(self, body: Json, status: HTTPStatus = HTTPStatus.OK) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _fail(self, status: HTTPStatus, reason: str, message: str, **details: str) -> None:
        body = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "message": message}
        self._send({**body, "reason": reason, "details": details, "code": int(status)}, status)

"""A webhook server that answers whatever a test tells it to, to learn what the apiserver makes of it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kube.certs import Authority


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the apiserver made."""

    path: str
    review: dict[str, Any]
    headers: dict[str, str]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw HTTP answer."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


Script = Callable[[Call], Reply]


def review(call: Call, **response: Any) -> Reply:
    """A proper AdmissionReview; `response` replaces fields of its response."""
    content = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": call.review["request"]["uid"], "allowed": True, **response},
    }
    return Reply(json.dumps(content).encode())


@dataclass
class StubWebhook:
    """An HTTPS server on loopback; `script` may be replaced at any time, `calls` keeps what came."""

    authority: Authority
    folder: Path
    address: str = "127.0.0.1"
    script: Script = review
    calls: list[Call] = field(default_factory=list)

    def __enter__(self) -> Self:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                call = Call(self.path, json.loads(raw), dict(self.headers), raw)
                stub.calls.append(call)
                reply = stub.script(call)
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the apiserver hangs up on answers that come too late

        certificate, key = self.authority.issue(self.address, "localhost").write(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = Server(("127.0.0.1" if self.address == "127.0.0.1" else "0.0.0.0", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self._server.server_address[1]}"

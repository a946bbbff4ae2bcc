"""The ASGI application: `/validate` straight to its endpoint, everything else to FastAPI.

FastAPI serves what people and operators call. The admission path does not pass through it: its routing and models cost
several times what judging does. Nor does the server wait for it: importing FastAPI takes longer than all the rest of
the start, so it is loaded in a thread once reviews are served. Until then probes are answered without it, by the same
`report`, and the other pages wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

from app.server.health import Probe, report

VALIDATE: Final = "/validate"
OPERATIONS: Final = ("/livez", "/readyz", "/metrics", "/version", "/docs", "/openapi.json")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


class Application:
    """The router. Anything but the known paths ends here, cheaply."""

    def __init__(
        self,
        validate: Endpoint,
        operations: Callable[[], Endpoint],
        *,
        ready: Mapping[str, Probe],
        refused: Callable[[str, str], None],
        wants_certificate: bool = False,
    ) -> None:
        """Route to `validate`, which with `wants_certificate` only hears clients that showed a certificate.

        `operations` makes FastAPI's application and takes its time, `ready` are the checks of /readyz, and
        `refused(cause, detail)` hears of what was turned away here.
        """
        self._validate = validate
        self._make_operations = operations
        self._ready = ready
        self._refused = refused
        self._wants_certificate = wants_certificate
        self._loading: asyncio.Task[Endpoint] | None = None
        self._operations: Endpoint | None = None

    def load(self) -> asyncio.Task[Endpoint]:
        """Begin to load the operators' pages, once; called when the server is ready, or by the first who asks."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())
        return self._loading

    async def _load(self) -> Endpoint:
        self._operations = await asyncio.to_thread(self._make_operations)
        return self._operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if path == VALIDATE:
            if method != "POST":
                self._refused("method", f"{method[:16]} on {VALIDATE}")
                await _answer(send, 405, f"{VALIDATE} takes POST with an AdmissionReview\n", (b"allow", b"POST"))
            elif self._wants_certificate and not scope["state"]["client_verified"]:
                self._refused("client-certificate", "a review from a client without a certificate of the client CA")
                await _answer(send, 403, f"{VALIDATE} needs a client certificate signed by the client CA\n")
            else:
                await self._validate(scope, receive, send)
        elif path not in OPERATIONS:
            self._refused("path", "a request for a path that is not served")
            await _answer(send, 404, f"not found; there are {VALIDATE}, {', '.join(OPERATIONS)}\n")
        elif method not in {"GET", "HEAD"}:
            await _answer(send, 405, f"{path} takes GET\n", (b"allow", b"GET, HEAD"))
        else:
            await self._operate(scope, receive, send)

    async def _operate(self, scope: Scope, receive: Receive, send: Send) -> None:
        operations = self._operations
        if operations is None:
            if scope["path"] in {"/livez", "/readyz"}:
                await self._probe(scope, send)
                return
            operations = await asyncio.shield(self.load())
        if scope["method"] == "HEAD":  # the same answer; the connection leaves its body out
            scope = {**scope, "method": "GET"}
        await operations(scope, receive, send)

    async def _probe(self, scope: Scope, send: Send) -> None:
        """Answer a probe as FastAPI's routes will once they are loaded."""
        name = scope["path"][1:]
        query = parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        probes = self._ready if name == "readyz" else {"ping": str}
        answer = report(name, probes, query.get("exclude", ()), verbose="verbose" in query)
        await _answer(send, answer.status, answer.text)


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer with a line of text; a body that the client still sends is thrown away as it comes."""
    body = text.encode("ascii", "backslashreplace")
    length = (b"content-length", b"%d" % len(body))
    head = {"type": "http.response.start", "status": status, "headers": [_TEXT, length, *headers]}
    await send(head)
    await send({"type": "http.response.body", "body": body})

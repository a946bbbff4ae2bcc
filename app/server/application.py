"""The ASGI application: `/validate` straight to its endpoint, everything else to FastAPI.

FastAPI serves what people and operators call. The admission path does not pass through it: its routing and models cost
several times what judging does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from app.server.health import Probe
from app.server.operations import OPERATIONS, operations

VALIDATE: Final = "/validate"

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
        *,
        ready: Mapping[str, Probe],
        metrics: Callable[[], bytes],
        version: str,
        refused: Callable[[str, str], None],
        wants_certificate: bool = False,
    ) -> None:
        """Route to `validate`, which with `wants_certificate` only hears clients that showed a certificate.

        `ready` are the checks of /readyz, `metrics` makes the page of /metrics, `refused(cause, detail)` hears of what was
        turned away here.
        """
        self._validate = validate
        self._operations: Endpoint = operations(ready, metrics, version)
        self._refused = refused
        self._wants_certificate = wants_certificate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if path == VALIDATE:
            if method != "POST":
                self._refused("method", f"{method[:16]} on {VALIDATE}")
                await _answer(send, 405, f"{VALIDATE} takes POST with an AdmissionReview", (b"allow", b"POST"))
            elif self._wants_certificate and not scope["state"]["client_verified"]:
                self._refused("client-certificate", "a review from a client without a certificate of the client CA")
                await _answer(send, 403, f"{VALIDATE} needs a client certificate signed by the client CA")
            else:
                await self._validate(scope, receive, send)
        elif path in OPERATIONS:
            if method == "GET":
                await self._operations(scope, receive, send)
            elif method == "HEAD":  # the same answer; the connection leaves its body out
                await self._operations({**scope, "method": "GET"}, receive, send)
            else:
                await _answer(send, 405, f"{path} takes GET", (b"allow", b"GET, HEAD"))
        else:
            self._refused("path", "a request for a path that is not served")
            await _answer(send, 404, f"not found; there are {VALIDATE}, {', '.join(OPERATIONS)}")


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer in one line of text; a body that the client still sends is thrown away as it comes."""
    body = text.encode("ascii", "backslashreplace") + b"\n"
    length = (b"content-length", b"%d" % len(body))
    head = {"type": "http.response.start", "status": status, "headers": [_TEXT, length, *headers]}
    await send(head)
    await send({"type": "http.response.body", "body": body})

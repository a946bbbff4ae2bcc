"""What people and operators call: probes, metrics, version, and the pages that describe the API."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict

from app.observe.metrics import CONTENT_TYPE
from app.server.health import Probe, report

Verbose = Annotated[str | None, Query(description="List every check; any value, or none, turns it on.")]
Exclude = Annotated[list[str], Query(description="A check to leave out; may be repeated.")]


class Version(BaseModel):
    """What is running."""

    model_config = ConfigDict(frozen=True)

    version: str
    python: str


def operations(ready: Mapping[str, Probe], metrics: Callable[[], bytes], version: str) -> FastAPI:
    """Make the FastAPI application; `ready` and `metrics` are asked at each request."""
    api = FastAPI(
        title="Pratique",
        version=version,
        summary="Kubernetes validating admission webhook for the Pod Security Standards",
        docs_url=None,  # FastAPI's page loads its scripts from the internet; ours needs nothing
        redoc_url=None,
        redirect_slashes=False,
    )
    alive: dict[str, Probe] = {"ping": str}

    @api.get("/livez", response_class=PlainTextResponse, tags=["health"])
    async def livez(verbose: Verbose = None, exclude: Exclude = []) -> Response:  # noqa: B006 - FastAPI copies defaults
        """Tell whether the process serves at all; restart it if this fails."""
        answer = report("livez", alive, exclude, verbose=verbose is not None)
        return PlainTextResponse(answer.text, answer.status)

    @api.get("/readyz", response_class=PlainTextResponse, tags=["health"])
    async def readyz(verbose: Verbose = None, exclude: Exclude = []) -> Response:  # noqa: B006
        """Tell whether reviews should be sent here: 503 until namespaces are known, and while draining."""
        answer = report("readyz", ready, exclude, verbose=verbose is not None)
        return PlainTextResponse(answer.text, answer.status)

    @api.get("/metrics", response_class=PlainTextResponse, tags=["metrics"])
    async def scrape() -> Response:
        """Metrics in Prometheus' text format 0.0.4."""
        return Response(metrics(), media_type=CONTENT_TYPE)

    @api.get("/version", tags=["version"])
    async def about() -> Version:
        """Versions of Pratique and of the Python that runs it."""
        return Version(version=version, python=platform.python_version())

    page = cache(lambda: _page(api.openapi()))

    @api.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> Response:
        """Show the OpenAPI document as a page without scripts."""
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(page(), headers=policy)

    _describe_validate(api)
    return api


def _describe_validate(api: FastAPI) -> None:
    """Add the admission path, which FastAPI does not route, to the OpenAPI document it makes on first use."""
    generate = api.openapi

    def with_validate() -> dict[str, Any]:
        document = generate()
        document["paths"].setdefault("/validate", _VALIDATE)
        return document

    api.openapi = with_validate  # type: ignore[method-assign]


_VALIDATE: Final[dict[str, Any]] = {
    "post": {
        "tags": ["admission"],
        "summary": "Judge one AdmissionReview",
        "description": "Takes and gives an AdmissionReview of admission.k8s.io/v1. A denial is HTTP 200 with "
        "`response.allowed: false`; other statuses mean that no uid could be read.",
        "parameters": [
            {
                "name": "timeout",
                "in": "query",
                "description": "Time the apiserver waits, such as `10s`; the answer leaves before it.",
                "schema": {"type": "string", "default": "10s"},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "200": {
                "description": "An AdmissionReview with the response",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "400": {"description": "The body is no AdmissionReview that names a uid"},
            "403": {"description": "A client CA is set, and the client showed no certificate of it"},
            "413": {"description": "The body is larger than the limit"},
            "415": {"description": "The body is not application/json"},
        },
    }
}


def _page(document: Mapping[str, Any]) -> str:
    """Write the document as a page: every operation with its text, parameters and answers."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        f"<p>{escape(info.get('summary', ''))}. As data: <a href=/openapi.json>openapi.json</a></p>",
    ]
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            text = operation.get("description", operation.get("summary", ""))
            parts.append(f"<section><h2><b>{escape(method.upper())}</b> {escape(path)}</h2><p>{escape(text)}</p><dl>")
            parts += [
                f"<dt>?{escape(parameter['name'])}</dt><dd>{escape(parameter.get('description', ''))}</dd>"
                for parameter in operation.get("parameters", ())
            ]
            parts += [
                f"<dt>{escape(status)}</dt><dd>{escape(answer['description'])}</dd>"
                for status, answer in operation["responses"].items()
            ]
            parts.append("</dl></section>")
    return "".join(parts)


_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "section{border-top:1px solid #8888;margin-top:1.5rem}h2{font:1.1rem ui-monospace,monospace}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}"
    "dt{font-family:ui-monospace,monospace}dd{margin:0}"
)

"""Kubernetes' own description of its API: the OpenAPI document in the source of the release that we follow."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.kube import go
from tests.kube.build import MODULES

KUBERNETES: Final = ("k8s.io/kubernetes", "v1.37.2")
API: Final = ("k8s.io/api", "v0.37.2")
CORE: Final = "io.k8s.api.core.v1."
META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."

Schema = dict[str, Any]


@functools.cache
def module(name: str, version: str) -> Path:
    """The folder of a Go module, fetched by the module proxy if need be; its sum must stand in tests/kube's go.sum.

    Raises:
        RuntimeError: the module could not be had, or is another one than go.sum names.
        ToolchainError: there is no Go.
    """
    folder = MODULES / "kubernetes"
    command = [go.find_go(), "mod", "download", "-json", f"{name}@{version}"]
    done = subprocess.run(command, cwd=folder, env=go.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cannot download {name}@{version}: {done.stdout}{done.stderr}")
    found: dict[str, str] = json.loads(done.stdout)
    if f"{name} {version} {found['Sum']}" not in (folder / "go.sum").read_text(encoding="utf-8").splitlines():
        raise RuntimeError(f"{name}@{version} has the sum {found['Sum']}, which go.sum does not list")
    return Path(found["Dir"])


@functools.cache
def definitions() -> dict[str, Schema]:
    """Every type of the API by its full name."""
    text = (module(*KUBERNETES) / "api" / "openapi-spec" / "swagger.json").read_bytes()
    found: dict[str, Schema] = msgspec.json.decode(text)["definitions"]
    return found


def properties(name: str) -> dict[str, Schema]:
    """The fields of a type by their JSON names."""
    found: dict[str, Schema] = definitions()[name]["properties"]
    return found


def resolved(schema: Schema) -> Schema:
    """The type that a schema refers to, or the schema itself."""
    if "$ref" in schema:
        return definitions()[schema["$ref"].removeprefix("#/definitions/")]
    return schema


def field(name: str, path: str) -> Schema:
    """The schema of a field path below a type, such as `spec.containers[*].ports[*].hostPort` of Pod; KeyError."""
    schema = definitions()[name]
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        if not part.startswith("["):
            schema = resolved(schema["properties"][part])
        elif "items" in schema:
            schema = resolved(schema["items"])
        else:
            schema = resolved(schema["additionalProperties"])
    return schema


def expanded(path: str) -> Iterator[str]:
    """The paths that `a.{b,c}.d` stands for."""
    head, brace, tail = path.partition("{")
    if not brace:
        yield path
        return
    choices, _, rest = tail.partition("}")
    for choice in choices.split(","):
        yield from expanded(head + choice + rest)


def json_tags(file: str, struct: str) -> dict[str, str]:
    """The JSON names of a Go struct of module k8s.io/api, each with its Go type."""
    text = (module(*API) / file).read_text(encoding="utf-8")
    body = re.search(rf"^type {struct} struct {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)
    assert body is not None, f"{file} declares no {struct}"
    found = re.findall(r'^\t\w+ +(\S+) `json:"(\w+)[,"]', body[1], re.MULTILINE)
    return {name: kind for kind, name in found}

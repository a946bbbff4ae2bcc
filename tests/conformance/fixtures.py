"""The fixtures of k8s.io/pod-security-admission: fetched by the Go module proxy, checked by sum, never committed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.config.yaml import documents
from tests.kube import go
from tests.kube.build import MODULES

MODULE: Final = "k8s.io/pod-security-admission"
VERSION: Final = "v0.37.2"
TOTAL: Final = 4537
"""How many fixtures that version has."""

_PLACE: Final = re.compile(r"(baseline|restricted)/(v1\.[0-9]+)/(pass|fail)/([a-z_]+)[0-9]*\.yaml")  # noqa: TID251 - fixed and linear


@dataclass(frozen=True, slots=True)
class Fixture:
    """One pod and what must become of it."""

    path: str
    """Below `test/testdata`, such as `baseline/v1.0/fail/hostports0.yaml`."""
    level: str
    version: str
    allowed: bool
    check: str
    """The lower-cased id, as the reference names it, of the check that the fixture is about; `base` is about none."""
    pod: dict[str, Any]
    defaulted: bool
    """Whether the pod had volumes without a source, which are filled in as the API server does: see `_default`."""


def fetch() -> Path:
    """The folder with the fixtures.

    `go mod download` checks the module against tests/kube's go.sum; that it did is checked once more here.

    Raises:
        RuntimeError: the module could not be had, or is another one than go.sum names.
        ToolchainError: there is no Go.
    """
    folder = MODULES / "kubernetes"
    command: list[str | Path] = [go.find_go(), "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    done = subprocess.run(command, cwd=folder, env=go.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cannot download {MODULE}@{VERSION}: {done.stdout}{done.stderr}")
    module: dict[str, str] = json.loads(done.stdout)
    if f"{MODULE} {VERSION} {module['Sum']}" not in (folder / "go.sum").read_text(encoding="utf-8").splitlines():
        raise RuntimeError(f"{MODULE}@{VERSION} has the sum {module['Sum']}, which go.sum does not list")
    return Path(module["Dir"]) / "test" / "testdata"


def fixtures(folder: Path) -> Iterator[Fixture]:
    """Read every fixture below `folder`, as kubectl would.

    Raises:
        RuntimeError: a file does not stand at `<level>/<version>/{pass,fail}/<check><number>.yaml`.
    """
    for path in sorted(folder.rglob("*.yaml")):
        relative = path.relative_to(folder)
        place = _PLACE.fullmatch(relative.as_posix())
        if place is None:
            raise RuntimeError(f"an unexpected fixture: {relative}")
        level, version, expected, check = place.groups()
        [document] = documents(path.read_bytes(), str(relative))
        pod = document.value
        yield Fixture(str(relative), level, version, expected == "pass", check, pod, _default(pod))


def _default(pod: dict[str, Any]) -> bool:
    """Make a volume without a source an `emptyDir`; whether there was one.

    The fixtures are what is sent to an API server, which does so before any admission (core/v1 SetDefaults_Volume), and
    those of allowed volume types rely on it. A webhook that is sent such a volume all the same must refuse it, as the
    reference webhook does: it cannot be told from a volume of a type that is newer than the webhook.
    """
    bare = [volume for volume in pod["spec"].get("volumes", ()) if set(volume) == {"name"}]
    for volume in bare:
        volume["emptyDir"] = {}
    return bool(bare)

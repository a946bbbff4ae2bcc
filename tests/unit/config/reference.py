"""sigs.k8s.io/yaml, the library kubectl reads manifests with, as a process that answers how it reads a text."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.kube import go

MODULE = Path(__file__).parents[2] / "kube" / "yamlref"


def number(digits: str) -> int | float:
    """A JSON integer as apimachinery keeps it: 64 bits, beyond them a float."""
    value = int(digits)
    return value if -(2**63) <= value < 2**63 else float(value)


class Reference:
    """Builds the program of tests/kube/yamlref into a folder and talks to it; a context manager."""

    def __init__(self, folder: Path) -> None:
        program = folder / "yamlref"
        subprocess.run(
            [go.find_go(), "build", "-o", program, "."],
            cwd=MODULE,
            env=go.environment(),
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=600,
        )
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ), text=True, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def read(self, text: str) -> dict[str, Any]:
        """`json` (the value) or `error`; `strict` if strict reading, which knows duplicate keys, fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline(), parse_int=number)
        return answer

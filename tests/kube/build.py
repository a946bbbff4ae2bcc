"""Builds the programs that the tests run beside Pratique: `binary("kube-apiserver")` -> path.

Every program comes from a Go module of this repository (tests/kube/modules, tests/bench) whose go.mod and go.sum pin
each source by checksum. What was built is kept under build/bin/<key>/ (or $PRATIQUE_CACHE/<key>/), where the key
covers the module's files, the package, the flags and the version of Go, so that an unchanged program is never built
twice. Parallel callers wait for the one that builds.

    python -m tests.kube.build            # all of them
    python -m tests.kube.build etcd kubectl
"""

from __future__ import annotations

import collections
import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.kube import go as toolchain

MODULES = Path(__file__).with_name("modules")
TESTS = Path(__file__).resolve().parents[1]
KUBERNETES = "v1.37.2"
_STRIP = "-s -w"
_TICK = 15.0  # seconds between two lines of progress


class BuildError(RuntimeError):
    """A program could not be built: the message ends with what the compiler said last."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: the module that pins it, its package there, and the linker's flags."""

    module: Path
    package: str
    ldflags: str = _STRIP


_VERSIONED = f"{_STRIP} -X k8s.io/component-base/version.gitVersion={KUBERNETES}"
PROGRAMS = {
    "etcd": Program(MODULES / "etcd", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Program(MODULES / "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _VERSIONED),
    "kubectl": Program(MODULES / "kubernetes", "k8s.io/kubernetes/cmd/kubectl", _VERSIONED),
    "psa-webhook": Program(MODULES / "kubernetes", "k8s.io/pod-security-admission/cmd/webhook", _VERSIONED),
    "loadgen": Program(TESTS / "bench" / "loadgen", "."),
    "cosign": Program(MODULES / "sigstore", "github.com/sigstore/cosign/v3/cmd/cosign"),
    "fulcio": Program(MODULES / "sigstore", "github.com/sigstore/fulcio"),
    "rekor-v1": Program(MODULES / "sigstore", "github.com/sigstore/rekor/cmd/rekor-server"),
    "rekor-v2": Program(MODULES / "sigstore", "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix"),
    "oci-registry": Program(TESTS / "sigstore" / "programs", "./registry"),
    "log-storage": Program(TESTS / "sigstore" / "programs", "./logstorage"),
    "timestamps": Program(TESTS / "sigstore" / "programs", "./timestamps"),
}


@functools.cache
def binary(name: str) -> Path:
    """Path of the program, built first if need be (the apiserver takes minutes on a cold machine).

    Raises:
        KeyError: no such program.
        BuildError: the build failed.
        ToolchainError: there is no Go.

    """
    program = PROGRAMS[name]
    if not (program.module / "go.mod").is_file():
        raise BuildError(f"{name}: there is no module at {program.module}")
    go = toolchain.find_go()
    folder = cache() / _key(program, toolchain.go_version(go) or "")
    target = folder / name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        _lock(lock.fileno(), name)
        if not target.is_file():
            _build(go, name, program, target)
    return target


def cache() -> Path:
    """Where built programs are kept: $PRATIQUE_CACHE, else build/bin."""
    return Path(os.environ.get("PRATIQUE_CACHE") or toolchain.BUILD / "bin").resolve()


def _key(program: Program, version: str) -> str:
    """Digest over everything that decides the program's bytes."""
    digest = hashlib.sha256()
    uname = os.uname()
    for part in (program.package, program.ldflags, version, uname.sysname, uname.machine):
        digest.update(part.encode() + b"\0")
    for path in sorted(program.module.rglob("*")):
        if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
            digest.update(path.relative_to(program.module).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def _lock(descriptor: int, name: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say(f"{name}: waiting for the process that is building it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _build(go: Path, name: str, program: Program, target: Path) -> None:
    partial = target.with_suffix(".partial")
    command: list[str | Path] = [go, "build", "-v", "-ldflags", program.ldflags, "-o", partial, program.package]
    started = time.monotonic()
    _say(f"{name}: building {program.package}")
    with subprocess.Popen(
        command,
        cwd=program.module,
        env=toolchain.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        code, last = _follow(process, name, started)
    if code:
        partial.unlink(missing_ok=True)
        raise BuildError(f"building {name} failed (go exited with {code}):\n" + "\n".join(last))
    partial.rename(target)
    _say(f"{name}: done in {time.monotonic() - started:.0f} s, {target.stat().st_size / 1e6:.0f} MB")


def _follow(process: subprocess.Popen[str], name: str, started: float) -> tuple[int, list[str]]:
    """Wait for the build, saying now and then how far it is; returns its exit code and last lines."""
    last: collections.deque[str] = collections.deque(maxlen=40)
    counts = {"downloaded": 0, "compiled": 0}

    def read() -> None:
        for line in process.stderr or ():
            last.append(line.rstrip())
            counts["downloaded" if line.startswith("go: downloading") else "compiled"] += 1

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while True:
        try:
            code = process.wait(_TICK)
        except subprocess.TimeoutExpired:
            progress = ", ".join(f"{count} {what}" for what, count in counts.items())
            _say(f"{name}: {time.monotonic() - started:.0f} s, modules {progress.replace(', ', ', packages ')}")
        else:
            reader.join()
            return code, list(last)


def _say(text: str) -> None:
    print(f"[build] {text}", file=sys.stderr, flush=True)


def main(names: list[str]) -> int:
    """Build the named programs, or all whose module is here; print one path a line."""
    unknown = sorted(set(names) - set(PROGRAMS))
    if unknown:
        print(f"no such program: {', '.join(unknown)} (there are {', '.join(PROGRAMS)})", file=sys.stderr)
        return 2
    for name in names or [name for name, program in PROGRAMS.items() if program.module.is_dir()]:
        try:
            print(binary(name), flush=True)
        except (BuildError, toolchain.ToolchainError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

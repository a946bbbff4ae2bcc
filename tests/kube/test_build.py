"""The rules by which programs are built, without building Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube import build, go


@pytest.mark.parametrize(
    "version, enough",
    [
        ("go1.26.0", True),
        ("go1.26.8", True),
        ("go1.27rc1", True),
        ("go1.30", True),
        ("go1.26.8-X:nodwarf5", True),
        ("go1.25.9", False),
        ("go1.9", False),
        ("devel +0123abcd", False),
        ("", False),
    ],
)
def test_new_enough(version: str, enough: bool) -> None:
    assert go.is_new_enough(version) is enough


@pytest.fixture
def program(tmp_path: Path) -> build.Program:
    (tmp_path / "go.mod").write_text("module example.com/hello\n\ngo 1.26.0\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    return build.Program(tmp_path, ".")


def test_key_covers_what_decides_the_bytes(program: build.Program) -> None:
    keys = {build._key(program, "go1.26.0")}
    assert build._key(program, "go1.26.0") in keys
    keys.add(build._key(program, "go1.26.1"))
    keys.add(build._key(build.Program(program.module, ".", "-s"), "go1.26.0"))
    for name in ("go.sum", "go.mod", "main.go"):
        (program.module / name).write_text("changed")
        keys.add(build._key(program, "go1.26.0"))
    (program.module / "README.md").write_text("does not count")
    keys.add(build._key(program, "go1.26.0"))
    assert len(keys) == 6


def test_module_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(build.PROGRAMS, "hello", build.Program(tmp_path, "."))
    with pytest.raises(build.BuildError, match="hello: there is no module at"):
        build.binary("hello")


def test_unknown_program_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["kubelet"]) == 2
    assert "no such program: kubelet (there are etcd, " in capsys.readouterr().err


def test_every_module_is_pinned_by_checksum() -> None:
    for folder in build.MODULES.iterdir():
        if folder.is_dir():
            assert (folder / "go.sum").stat().st_size > 0
    pinned = (build.MODULES / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes {build.KUBERNETES}" in pinned


@pytest.mark.slow
@pytest.mark.e2e
def test_compiler_errors_are_told(
    program: build.Program, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setitem(build.PROGRAMS, "hello", program)
    monkeypatch.setenv("PRATIQUE_CACHE", str(tmp_path_factory.mktemp("cache")))
    (program.module / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(build.BuildError, match="undefined: nonsense"):
        build.binary("hello")

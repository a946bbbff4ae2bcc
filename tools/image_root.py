"""Builds the file system of the image's final stage: `python -m tools.image_root DIRECTORY`.

The Dockerfile's build stage runs it, and so does the image test on machines without Docker: what is tested is what
ships. The directory ends up holding the interpreter that runs this tool, the part of the standard library that a server
can use, the shared libraries that those need, the packages of requirements/runtime.txt (by hash) and this project's
wheel. There is no shell, no package manager, no compiler and nothing that is writable.
"""

import compileall
import dataclasses
import os
import pathlib
import py_compile
import re
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[1]
USER = 65532  # "nonroot" by the convention of distroless images
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"usr/local/lib/{VERSION}"
SEARCHED = "usr/lib"  # where the loader looks without a cache file

LAUNCHER = """\
#!/usr/local/bin/python3 -I
from app.cli.main import main

main()
"""

# Interactive use, development, and databases: nothing that a server imports.
DROPPED = (
    "__phello__",
    "__pycache__",
    "_pyrepl",
    "config-*",
    "curses",
    "dbm",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "sqlite3",
    "test",
    "tkinter",
    "turtledemo",
    "venv",
)
DROPPED_EXTENSIONS = (
    "_curses*",
    "_dbm.*",
    "_gdbm.*",
    "_sqlite3.*",
    "_test*",
    "_tkinter.*",
    "nis.*",
    "readline.*",
    "xx*",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Libraries:
    """What an executable or extension is linked with."""

    loader: pathlib.Path | None
    shared: frozenset[pathlib.Path]


def run(*command: str | os.PathLike[str]) -> str:
    """Run a program, show what it says when it fails, return its standard output.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def copy_interpreter(root: pathlib.Path) -> None:
    """Copy the interpreter behind this virtual environment and its standard library."""
    base = pathlib.Path(sys.base_prefix)
    binaries = root / "usr/local/bin"
    binaries.mkdir(parents=True)
    shutil.copy(base / "bin" / VERSION, binaries / VERSION)
    (binaries / "python3").symlink_to(VERSION)
    shutil.copytree(
        base / "lib" / VERSION, root / LIBRARY, ignore=shutil.ignore_patterns(*DROPPED, *DROPPED_EXTENSIONS)
    )
    (root / LIBRARY / "site-packages").mkdir()


def install_packages(root: pathlib.Path) -> None:
    """Install the locked packages, then the wheel of this project, without their command line scripts."""
    site = root / LIBRARY / "site-packages"
    uv = pathlib.Path(sys.executable).with_name("uv")
    if uv.exists():
        install = (uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", site)
    else:
        install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-compile", "--target", site)
    run(*install, "--no-deps", "--require-hashes", "-r", "requirements/runtime.txt")
    wheels = root.with_name(f"{root.name}-wheels")
    shutil.rmtree(wheels, ignore_errors=True)
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels)
    (wheel,) = wheels.glob("*.whl")
    run(*install, "--no-deps", wheel)
    shutil.rmtree(wheels)
    shutil.rmtree(site / "bin", ignore_errors=True)
    for leftover in site.glob(".lock"):
        leftover.unlink()
    launcher = root / "usr/local/bin/pratique"
    launcher.write_text(LAUNCHER, encoding="utf-8")
    launcher.chmod(0o755)


def linked_with(binary: pathlib.Path) -> Libraries:
    """What the dynamic loader would load for it here."""
    loader = None
    shared = set()
    listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        if "not found" in line:
            raise SystemExit(f"{binary} needs a library that is not here: {line.strip()}")
        if found := re.match(r"\s*\S+ => (/\S+) \(0x", line):
            shared.add(pathlib.Path(found[1]))
        elif found := re.match(r"\s*(/\S+) \(0x", line):
            loader = pathlib.Path(found[1])
    return Libraries(loader, frozenset(shared))


def copy_libraries(root: pathlib.Path) -> None:
    """Copy each shared library from outside the tree that something in the tree is linked with."""
    for binary in [root / "usr/local/bin" / VERSION, *root.rglob("*.so"), *root.rglob("*.so.*")]:
        libraries = linked_with(binary)
        if libraries.loader:
            loader = root / libraries.loader.relative_to("/")
            loader.parent.mkdir(parents=True, exist_ok=True)
            if not loader.exists():
                shutil.copy(libraries.loader, loader)
        for library in libraries.shared:
            if root in library.parents:
                continue  # bundled by a wheel and found by its own relative path
            target = root / SEARCHED / library.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(library, target)


def write_system_files(root: pathlib.Path) -> None:
    """Write the few files of /etc that the C library reads, and the certificates that TLS clients trust."""
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(f"nonroot:x:{USER}:{USER}:nonroot:/nonexistent:/nonexistent\n", encoding="utf-8")
    (etc / "group").write_text(f"nonroot:x:{USER}:\n", encoding="utf-8")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n", encoding="utf-8")
    for name in ("os-release", "ssl/certs/ca-certificates.crt"):
        source = pathlib.Path("/etc") / name
        if source.exists():
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, etc / name)
    for mount in ("dev", "proc", "sys", "tmp"):
        (root / mount).mkdir(exist_ok=True)


def compile_and_lock(root: pathlib.Path) -> None:
    """Compile everything now, since nothing can be written later, and take away every right to write."""
    compiled = compileall.compile_dir(
        root / LIBRARY,
        quiet=2,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        print("some modules do not compile (packages ship templates and tests that are no Python)", file=sys.stderr)
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555 | 0o444)


def build(root: pathlib.Path) -> None:
    """Make the whole tree anew.

    Raises:
        SystemExit: a step failed; the message is what its program said.
    """
    if root.exists():
        for directory in [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]:
            directory.chmod(0o755)
        shutil.rmtree(root)
    root.mkdir(parents=True)
    copy_interpreter(root)
    install_packages(root)
    copy_libraries(root)
    write_system_files(root)
    compile_and_lock(root)


def main() -> None:
    """Build into the directory named by the only argument."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tools.image_root DIRECTORY")
    root = pathlib.Path(sys.argv[1]).resolve()
    build(root)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"{root.name}: {size / 2**20:.0f} MiB, {VERSION}, to run as {USER}:{USER}")


if __name__ == "__main__":
    main()

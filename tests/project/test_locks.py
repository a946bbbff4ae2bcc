"""Locks pin everything, by hash, and say nothing of where a machine gets its packages."""

import pathlib
import re
import tomllib

import pytest

PROJECT = pathlib.Path(__file__).parents[2]
LOCKS = sorted((PROJECT / "requirements").glob("*.txt"))


def names(lock: pathlib.Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+) ", lock.read_text(encoding="utf-8"), re.MULTILINE))


def required(text: str) -> set[str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)", text, re.MULTILINE)
    return {name.lower().replace("_", "-") for name in found}


def declared() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return required("\n".join(project["dependencies"]))


def test_there_are_locks() -> None:
    assert [lock.name for lock in LOCKS] == ["build.txt", "dev.txt", "mutation.txt", "runtime.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_exact_and_hashed_and_names_no_host(lock: pathlib.Path) -> None:
    text = lock.read_text(encoding="utf-8")
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9._-]+==\S+ (; [^\\]+)?\\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", requirement), (
            requirement
        )
    assert "://" not in text


def test_locks_hold_what_is_asked_for() -> None:
    assert declared() <= names(PROJECT / "requirements/runtime.txt").keys()
    for name in ("dev", "mutation", "build"):
        asked = required((PROJECT / f"requirements/{name}.in").read_text(encoding="utf-8"))
        assert asked
        assert asked <= names(PROJECT / f"requirements/{name}.txt").keys()


def test_locks_agree_with_each_other() -> None:
    runtime, dev, mutation = (names(PROJECT / f"requirements/{name}.txt") for name in ("runtime", "dev", "mutation"))
    assert runtime.items() <= dev.items() <= mutation.items()


def test_every_library_has_its_reason() -> None:
    reasons = (PROJECT / "docs/decisions.md").read_text(encoding="utf-8").lower()
    asked = declared()
    for path in (PROJECT / "requirements").glob("*.in"):
        asked |= required(path.read_text(encoding="utf-8"))
    assert [name for name in sorted(asked) if f"**{name}" not in reasons] == []


# httptools and uvloop are loaded by uvicorn, if they are there.
LOADED_BY_OTHERS = {"httptools", "uvloop"}
IMPORTED_AS = {"google-re2": "re2", "pyyaml": "yaml"}


def test_nothing_ships_that_nothing_imports() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "app").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE))
    idle = {
        name for name in declared() - LOADED_BY_OTHERS if IMPORTED_AS.get(name, name.replace("-", "_")) not in imported
    }
    assert idle == set()

"""CONTRIBUTING says that one new file is all a check takes. This does what it says, in a copy of the tree."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).parents[2]
COPIED = ("app", "policies", "tools", "docs/checks", "README.md", "pyproject.toml")

# Asks the whole pure walk, as the server does, with the restricted level for everybody.
ASK = """
import json, sys
from app.catalog import catalog
from app.core.facts import Facts
from app.core.plan import Modes, Snapshot
from app.core.review import judge, request_of
from app.core.decode import decode_review
from app.core.version import Level, LevelVersion, LATEST

restricted = LevelVersion(Level.RESTRICTED, LATEST)
snapshot = Snapshot(rules=catalog().rules, defaults=Modes(restricted, restricted, restricted))
decision = judge(request_of(decode_review(sys.stdin.buffer.read())), snapshot, Facts())
print(json.dumps({"allowed": decision.allowed, "checks": [finding.check for finding in decision.enforce.findings]}))
"""


def example_of_contributing() -> tuple[str, str]:
    """File name and content of the check that CONTRIBUTING.md shows."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    name = re.search(r"Write `(policies/\w+\.py)`", text)
    code = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert name
    assert code
    return name[1], code[1]


class Tree:
    """A copy of the project."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = PROJECT / name
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def python(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, input=text, capture_output=True, text=True, check=False
        )

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> Tree:
    return Tree(tmp_path)


def review(spec: dict[str, object]) -> str:
    request = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "name": "web",
        "operation": "CREATE",
        "userInfo": {"username": "jane"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec},
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "web",
            "image": "web",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
BAD = {**GOOD, "shareProcessNamespace": True}


def ask(tree: Tree, spec: dict[str, object]) -> dict[str, object]:
    done = tree.python("-c", ASK, text=review(spec))
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_check_takes_one_new_file_and_nothing_else(tree: Tree) -> None:
    assert ask(tree, BAD)["allowed"] is True
    before = tree.files()
    name, code = example_of_contributing()
    (tree.folder / name).write_text(code, encoding="utf-8")

    assert ask(tree, BAD) == {"allowed": False, "checks": ["share-process-namespace"]}
    assert ask(tree, GOOD) == {"allowed": True, "checks": []}
    assert {path for path, content in tree.files().items() if before.get(path) != content} == {name}


def test_its_page_and_its_line_in_the_index_come_from_the_file(tree: Tree) -> None:
    name, code = example_of_contributing()
    (tree.folder / name).write_text(code, encoding="utf-8")
    assert tree.python("-m", "tools.generate", "--check").returncode != 0

    assert tree.python("-m", "tools.generate").returncode == 0
    page = (tree.folder / "docs/checks/share-process-namespace.md").read_text(encoding="utf-8")
    index = (tree.folder / "docs/checks/README.md").read_text(encoding="utf-8")
    assert "can read the secrets of all others under /proc" in page
    assert "[share-process-namespace](share-process-namespace.md)" in index
    assert tree.python("-m", "tools.generate", "--check").returncode == 0


def test_its_examples_are_tests_that_can_fail(tree: Tree) -> None:
    name, code = example_of_contributing()
    wrong = code.replace("if pod.spec.share_process_namespace:", "if not pod.spec.share_process_namespace:")
    assert wrong != code
    (tree.folder / name).write_text(wrong, encoding="utf-8")
    done = tree.python("-c", "from app.catalog import catalog; catalog()")
    assert done.returncode != 0
    assert "check `share-process-namespace`: the example `not set` finds ['spec.shareProcessNamespace']" in done.stderr


def test_the_example_keeps_the_rules_that_it_teaches(tree: Tree) -> None:
    name, code = example_of_contributing()
    (tree.folder / name).write_text(code, encoding="utf-8")
    lint = tree.python("-m", "ruff", "check", "--no-cache", name)
    assert lint.returncode == 0, lint.stdout
    shape = tree.python("-m", "ruff", "format", "--check", "--no-cache", name)
    assert shape.returncode == 0, shape.stdout + shape.stderr

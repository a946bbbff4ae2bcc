"""What the image's final stage holds, started as the image starts it: own root, that user, nothing writable."""

import json
import os
import pathlib
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.image import jail
from tools import image_root

pytestmark = [pytest.mark.image, pytest.mark.xdist_group("image"), pytest.mark.timeout(300)]

PROJECT = pathlib.Path(__file__).parents[2]
CONFIGURATION = """\
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults:
  enforce: restricted
"""
GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "web",
            "image": "example.com/web:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
BAD = {"containers": [{"name": "web", "image": "example.com/web:1", "securityContext": {"privileged": True}}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("image") / "root"
    image_root.build(root)
    root.parent.parent.chmod(0o755)
    root.parent.chmod(0o755)
    return root


def instructions() -> list[tuple[str, str]]:
    lines = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if re.match(r"[A-Z]+ ", line)]


def last(instruction: str) -> str:
    return [argument for name, argument in instructions() if name == instruction][-1]


def test_the_final_stage_is_the_tree_that_is_tested_and_nothing_else() -> None:
    started = [index for index, (name, _) in enumerate(instructions()) if name == "FROM"][-1]
    names = [name for name, _ in instructions()[started:]]
    assert last("FROM") == "scratch"
    assert names == ["FROM", "COPY", "USER", "EXPOSE", "ENTRYPOINT", "CMD"]
    assert last("COPY") == "--from=build /image-root /"
    assert last("USER") == f"{image_root.USER}:{image_root.USER}"


def test_base_tags_are_exact_and_take_a_digest() -> None:
    bases = [argument for name, argument in instructions() if name == "FROM" and argument != "scratch"]
    assert bases
    for base in bases:
        assert re.fullmatch(r"\S+:\d+\.\d+\.\d+\S*\$\{[A-Z_]+_DIGEST\} AS \w+", base), base


def test_holds_no_shell_no_installer_and_nothing_writable_or_privileged(root: pathlib.Path) -> None:
    unwanted = {"ash", "bash", "busybox", "dash", "sh", "pip", "pip3", "apt", "apt-get", "dpkg", "curl", "wget", "perl"}
    found = [path for path in root.rglob("*") if path.name in unwanted]
    assert [path for path in found if "site-packages" in path.parts or os.access(path, os.X_OK)] == []
    loose = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID
    tree = [root, *(path for path in root.rglob("*") if not path.is_symlink())]
    assert [path for path in tree if not path.is_char_device() and path.stat().st_mode & loose] == []


def test_holds_this_project_and_the_locked_packages(root: pathlib.Path) -> None:
    site = root / image_root.LIBRARY / "site-packages"
    installed = {path.name.removesuffix(".dist-info").lower() for path in site.glob("*.dist-info")}
    lock = (PROJECT / "requirements/runtime.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", lock, flags=re.MULTILINE)
    assert len(locked) > 10
    missing = [
        f"{name}-{version}" for name, version in locked if f"{name.replace('-', '_')}-{version}" not in installed
    ]
    assert [name for name in missing if "colorama" not in name] == []
    assert (site / "app/core").is_dir()
    assert list((site / "policies").glob("*.py"))


class Image:
    """The running server, seen from outside."""

    def __init__(self, root: pathlib.Path, log: pathlib.Path, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        entry = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
        address = ["--bind-address", "127.0.0.1", "--port", str(self.port)]
        command = [sys.executable, jail.__file__, str(root), str(image_root.USER), *entry, *address, *arguments]
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, answer.read()

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.ask("/livez")[0] == 200:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError(f"not live after {seconds} s:\n{self.log.read_text()}")

    def review(self, spec: dict[str, Any]) -> dict[str, Any]:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
        request = {
            "uid": "3f1d7ab0-3a38-4b2a-9a53-000000000001",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "name": "web",
            "operation": "CREATE",
            "userInfo": {"username": "jane"},
            "object": pod,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        status, body = self.ask("/validate?timeout=10s", review)
        assert status == 200
        response: dict[str, Any] = json.loads(body)["response"]
        assert response["uid"] == request["uid"]
        return response


@pytest.fixture
def image(root: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Image]:
    if os.geteuid() != 0:
        pytest.skip("changing the root directory needs root")
    if not (root / "dev/null").exists():
        jail.provide_devices(root)
        (root / "etc").chmod(0o755)
        (root / "etc/pratique.yaml").write_text(CONFIGURATION, encoding="utf-8")  # as a ConfigMap would be mounted
        (root / "etc").chmod(0o555)
    image = Image(root, tmp_path / "log", "--config", "/etc/pratique.yaml")
    try:
        image.wait(60)
        yield image
    finally:
        image.process.kill()
        image.process.wait()


def test_serves_as_an_unprivileged_user_from_a_read_only_root(image: Image) -> None:
    assert image.ask("/livez")[0] == 200
    assert image.review(GOOD)["allowed"] is True
    denied = image.review(BAD)
    assert denied["allowed"] is False
    assert "privileged" in denied["status"]["message"]

    image.process.send_signal(signal.SIGTERM)
    assert image.process.wait(30) == 0, image.log.read_text()


def test_runs_as_the_numeric_user_without_a_home(image: Image) -> None:
    status = pathlib.Path(f"/proc/{image.process.pid}/status").read_text()
    assert re.search(r"^Uid:\s+65532\s+65532\s+65532\s+65532$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert pathlib.Path(f"/proc/{image.process.pid}/environ").read_bytes() == b""

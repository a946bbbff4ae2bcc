"""Ways into a cluster for tests: kubectl as a user has it, and plain requests to the REST API."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
import yaml
from urllib3.util import Retry

from tests.kube.build import binary


class Result(NamedTuple):
    """What a kubectl command gave back."""

    code: int
    stdout: str
    stderr: str


class UnusableError(RuntimeError):
    """There is a cluster, but the tests cannot use it: the message says why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the API server is and how one user proves who it is; PEM texts in files."""

    server: str
    ca: Path | None
    token: str = ""
    client: tuple[Path, Path] | None = None
    impersonate: str = ""

    def write_kubeconfig(self, path: Path) -> Path:
        """The same as a kubeconfig file with one context."""
        cluster: dict[str, Any] = {"server": self.server}
        cluster |= {"certificate-authority": str(self.ca)} if self.ca else {"insecure-skip-tls-verify": True}
        user: dict[str, Any] = {"token": self.token} if self.token else {}
        if self.client:
            user |= {"client-certificate": str(self.client[0]), "client-key": str(self.client[1])}
        if self.impersonate:
            user["as"] = self.impersonate
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the REST API."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers, unquoted."""
        quoted = [header.split(" ", 2)[2] for header in self.headers.getlist("Warning")]
        return [re.sub(r"\\(.)", r"\1", text[1:-1]) for text in quoted]


@dataclass(slots=True)
class Access:
    """One user's kubectl and REST client."""

    credentials: Credentials
    kubeconfig: Path
    cache: Path
    _pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        client = self.credentials.client
        self._pool = urllib3.PoolManager(
            maxsize=16,
            block=True,
            ca_certs=str(self.credentials.ca) if self.credentials.ca else None,
            cert_reqs="CERT_REQUIRED" if self.credentials.ca else "CERT_NONE",
            cert_file=str(client[0]) if client else None,
            key_file=str(client[1]) if client else None,
        )

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 60.0) -> Result:
        """Run kubectl with the user's kubeconfig; `stdin` is what `-f -` reads."""
        command = [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        # Run with no user's own preferences (kuberc) and a cache of our own.
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.cache), "KUBECACHEDIR": str(self.cache), "KUBERC": "off"}
        done = subprocess.run(
            command, input=stdin or "", capture_output=True, text=True, timeout=seconds, env=env, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> Answer:
        """One call of the REST API; `body` is sent as JSON, or as it is when it is bytes."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self.credentials.token:
            sent["Authorization"] = f"Bearer {self.credentials.token}"
        if self.credentials.impersonate:
            sent["Impersonate-User"] = self.credentials.impersonate
        if body is not None:
            sent["Content-Type"] = content_type
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = self._pool.request(
            method, self.credentials.server + path, body=data, headers=sent, timeout=seconds, retries=Retry(0)
        )
        return Answer(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        self._pool.clear()


def read_kubeconfig(path: Path, folder: Path) -> Credentials:
    """The current context of a kubeconfig; data fields become files in `folder`.

    Raises:
        UnusableError: no current context, or a way to log in that needs a program or a password.

    """
    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
    except (OSError, yaml.YAMLError) as error:
        raise UnusableError(f"no kubeconfig: {error}") from error
    except (KeyError, TypeError, StopIteration) as error:
        raise UnusableError(f"{path} has no complete current context ({error!r})") from error
    ca = _file(cluster, "certificate-authority", path.parent, folder)
    certificate = _file(user, "client-certificate", path.parent, folder)
    key = _file(user, "client-key", path.parent, folder)
    token = user.get("token", "")
    if not token and not (certificate and key):
        raise UnusableError(f"{path}: only users with a token or a client certificate are supported")
    return Credentials(cluster["server"].rstrip("/"), ca, token, (certificate, key) if certificate and key else None)


def current_context(path: Path) -> str:
    """Name of the context that a kubeconfig uses; kind's are `kind-<cluster>`."""
    return str(yaml.safe_load(path.read_text()).get("current-context") or "")


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _file(section: Mapping[str, Any], key: str, base: Path, folder: Path) -> Path | None:
    if data := section.get(f"{key}-data"):
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{key}-", delete=False) as sink:
            sink.write(base64.b64decode(data))
        return Path(sink.name)
    return (base / section[key]).resolve() if section.get(key) else None

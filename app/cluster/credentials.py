"""The child process that runs a kubeconfig's `exec` plugin or `auth-provider` with the official Kubernetes client.

    echo '{"kubeconfig": {...}, "folder": "/home/me/.kube"}' | python -m app.cluster.credentials

Reads one request from standard input and prints one `app.cluster.external.Answer` as JSON. Only `External` starts it,
with a pipe at both ends: what it prints is a secret. Failures are told by kind and exit code; what plugins print and
what the library logs stay here, as they may hold tokens.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from app.cluster.external import Answer


class _Request(msgspec.Struct):
    kubeconfig: dict[str, Any]
    folder: str


class _Failures(logging.Handler):
    """The client logs a failing plugin and goes on without credentials; this keeps what may be told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = ""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        code = re.match(r"exec: process returned (-?[0-9]+)", message)
        if code:
            self.told = f"the exec plugin ended with exit code {code[1]}"
        elif "No such file" in message or "Permission denied" in message:
            self.told = "the exec plugin cannot be run"
        elif message.startswith("exec: "):
            self.told = "the exec plugin printed no usable credentials"


def answer(request: _Request) -> Answer:
    """Get the credentials of the request's only context."""
    failures = _Failures()
    logging.basicConfig(handlers=[failures], level=logging.ERROR, force=True)
    from kubernetes.client import Configuration  # noqa: PLC0415 - heavy, and an error here should be told as JSON
    from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415

    loader = KubeConfigLoader(request.kubeconfig, config_base_path=request.folder)  # type: ignore[no-untyped-call]
    configuration = Configuration()
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    authorization = configuration.api_key.get("BearerToken") or ""
    expiry = getattr(loader, "expiry", None)
    expires = expiry.timestamp() if expiry is not None else 0.0
    if configuration.cert_file and configuration.key_file:
        certificate, key = Path(configuration.cert_file).read_text(), Path(configuration.key_file).read_text()
        return Answer(authorization, certificate, key, expires)
    if not authorization:
        return Answer(error=failures.told or "the user's exec plugin or auth-provider gave no credentials")
    return Answer(authorization, expires=expires)


def main() -> int:
    """Answer one request; the exit code is zero whenever an answer was printed."""
    try:
        result = answer(msgspec.json.decode(sys.stdin.buffer.read(), type=_Request))
    except Exception as cause:  # noqa: BLE001 - the library raises many kinds; their texts may quote the kubeconfig
        result = Answer(error=f"the Kubernetes client cannot use this user ({type(cause).__name__})")
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Access from inside a pod: the service account that kubelet mounts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.cluster.access import Access, TokenFile
from app.errors import ConfigError

MOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST: Final = "KUBERNETES_SERVICE_HOST"
PORT: Final = "KUBERNETES_SERVICE_PORT"


def is_in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether the process runs in a pod that was told where the API server is."""
    return bool(environment.get(HOST) and environment.get(PORT))


def access(environment: Mapping[str, str], mount: Path = MOUNT) -> Access:
    """The API server of the cluster we run in.

    Raises ConfigError when the pod has no service account token, which is what `automountServiceAccountToken: false`
    does.
    """
    if not is_in_cluster(environment):
        raise ConfigError(f"not in a cluster: {HOST} and {PORT} are not set")
    for name in ("token", "ca.crt"):
        if not (mount / name).is_file():
            raise ConfigError(
                f"the pod has no service account: {mount / name} is missing",
                "Set `automountServiceAccountToken: true`, or give --kubeconfig.",
            )
    host = environment[HOST]
    if ":" in host:
        host = f"[{host}]"
    server = f"https://{host}:{environment[PORT]}"
    return Access(server=server, credentials=TokenFile(mount / "token"), authority=mount / "ca.crt")

"""The two pods of `pratique demo`, as a user would write them and as the apiserver would send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec


@dataclass(frozen=True, slots=True)
class Sample:
    """A pod and the verdict that it should get under `restricted`."""

    title: str
    allowed: bool
    pod: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the pod."""
        return str(self.pod["metadata"]["name"])

    def review(self, uid: str) -> bytes:
        """Give the AdmissionReview of its creation."""
        request = {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": self.name,
            "namespace": self.pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "demo-user"},
            "object": self.pod,
            "dryRun": True,
        }
        return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def _pod(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


GOOD: Final = Sample(
    "a pod that keeps the restricted profile",
    allowed=True,
    pod=_pod(
        "web",
        {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "web",
                    "image": "registry.example/web:1.0",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    ),
)
BAD: Final = Sample(
    "a pod that owns its node",
    allowed=False,
    pod=_pod(
        "miner",
        {
            "hostPID": True,
            "containers": [
                {
                    "name": "miner",
                    "image": "registry.example/miner:1.0",
                    "securityContext": {"privileged": True},
                    "volumeMounts": [{"name": "root", "mountPath": "/host"}],
                }
            ],
            "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        },
    ),
)

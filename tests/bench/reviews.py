"""What is sent: AdmissionReviews as the apiserver sends them, with the defaults it has filled in, and the pods alone.

`NUMBER` stands in every name and uid; the load generator replaces it, so that no two requests of a run are equal.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

NUMBER: Final = "00000000"
RESTRICTED: Final = "bench"
"""Namespace labelled restricted in all three modes."""
PRIVILEGED: Final = "bench-privileged"
PREFIX: Final = "pod-security.kubernetes.io/"
_MODES: Final = ("enforce", "audit", "warn")
NAMESPACES: Final = {
    namespace: {
        key: value for mode in _MODES for key, value in ((PREFIX + mode, level), (f"{PREFIX}{mode}-version", "latest"))
    }
    for namespace, level in ((RESTRICTED, "restricted"), (PRIVILEGED, "privileged"))
}
"""Labels by namespace."""
CONFIGURATION: Final = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1",
    "kind": "PodSecurityConfiguration",
    "defaults": {key: value for mode in _MODES for key, value in ((mode, "restricted"), (f"{mode}-version", "latest"))},
    "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": []},
}


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of review, and what both servers must answer to it."""

    name: str
    title: str
    body: bytes
    allowed: bool = True
    warns: bool = False
    """Whether the answer must hold warnings."""
    renew: int = 0
    """Requests per connection; 0 for as many as come."""


def _container(index: int, name: str) -> Json:
    port = 8000 + 10 * index
    settings = [{"name": f"{name.upper()}_OPTION_{k}", "value": f"{name}-option-{k}-is-set-to-this"} for k in range(6)]
    return {
        "name": name,
        "image": f"registry.example/shop/{name}@sha256:{f'{index + 161:02x}' * 32}",
        "command": [f"/usr/local/bin/{name}"],
        "args": [
            f"--listen=:{port}",
            f"--telemetry=:{port + 1}",
            "--config-file=/etc/shop/settings.toml",
            "--json-logs",
        ],
        "ports": [
            {"name": "serve", "containerPort": port, "protocol": "TCP"},
            {"name": "telemetry", "containerPort": port + 1, "protocol": "TCP"},
        ],
        "env": [
            *settings,
            {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop-tokens", "key": name}}},
        ],
        "resources": {"limits": {"cpu": "1", "memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "96Mi"}},
        "volumeMounts": [
            {"name": "settings", "readOnly": True, "mountPath": "/etc/shop"},
            {"name": "scratch", "mountPath": "/var/tmp"},
            {
                "name": "kube-api-access-9wq4t",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "livenessProbe": _probe("/alive", "serve"),
        "readinessProbe": _probe("/ready", "telemetry"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _probe(path: str, port: str) -> Json:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "initialDelaySeconds": 5,
        "timeoutSeconds": 2,
        "periodSeconds": 15,
        "successThreshold": 1,
        "failureThreshold": 4,
    }


def _token_volume() -> Json:
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return {"name": "kube-api-access-9wq4t", "projected": {"sources": sources, "defaultMode": 420}}


def good_pod(namespace: str = RESTRICTED) -> Json:
    """A pod of three containers that keeps the restricted level, about 7 KB."""
    names = ("checkout", "mesh-proxy", "log-forwarder")
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"checkout-{NUMBER}",
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "checkout",
                "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/version": "2026.11.3",
                "pod-template-hash": "7c9d8b64f5",
            },
            "annotations": {
                "kubectl.kubernetes.io/default-container": "checkout",
                "shop.example/settings-digest": "5d41402abc4b2a76b9719d911017c592a8e8f2bd0c0f2cc43d12c1b6a3a1e4f7",
            },
        },
        "spec": {
            "volumes": [
                {"name": "settings", "configMap": {"name": "shop-settings", "defaultMode": 420}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
                _token_volume(),
            ],
            "containers": [_container(index, name) for index, name in enumerate(names)],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 45,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "checkout",
            "serviceAccount": "checkout",
            "securityContext": {
                "runAsUser": 20000,
                "runAsNonRoot": True,
                "fsGroup": 20000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "schedulerName": "default-scheduler",
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{key}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
                for key in ("not-ready", "unreachable")
            ],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
    }


def bad_pod(namespace: str = RESTRICTED) -> Json:
    """The same pod breaking ten rules, most of them in several containers."""
    pod = good_pod(namespace)
    spec = pod["spec"]
    first, second, third = spec["containers"]
    spec |= {"hostNetwork": True, "hostIPC": True}
    spec["securityContext"] = {"fsGroup": 20000, "sysctls": [{"name": "net.core.somaxconn", "value": "4096"}]}
    spec["volumes"].append({"name": "node", "hostPath": {"path": "/var/lib", "type": "Directory"}})
    for container in spec["containers"]:
        for port in container["ports"]:
            port["hostPort"] = port["containerPort"]
    first["securityContext"] = {
        "privileged": True,
        "runAsUser": 0,
        "capabilities": {"add": ["SYS_PTRACE", "NET_ADMIN"]},
    }
    second["securityContext"] = {"allowPrivilegeEscalation": True, "capabilities": {"drop": ["NET_RAW"]}}
    del third["securityContext"]
    return pod


def small_pod(namespace: str = RESTRICTED) -> Json:
    """One container and hardly anything else, allowed."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": f"job-{NUMBER}", "namespace": namespace},
        "spec": {
            "containers": [
                {
                    "name": "job",
                    "image": "registry.example/shop/job:7",
                    "securityContext": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False},
                }
            ],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


def deployment(pod: Json) -> Json:
    """A Deployment of that pod."""
    metadata, labels = pod["metadata"], pod["metadata"]["labels"]
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "checkout"}},
            "template": {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": pod["spec"]},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {},
    }


def review(obj: Json, old: Json | None = None) -> bytes:
    """The AdmissionReview of the object's creation, or of its update from `old`, as dry run."""
    group, _, version = obj["apiVersion"].rpartition("/")
    resource = {"group": group, "version": version, "resource": f"{obj['kind'].lower()}s"}
    kind = {"group": group, "version": version, "kind": obj["kind"]}
    operation, options = ("CREATE", "CreateOptions") if old is None else ("UPDATE", "UpdateOptions")
    request = {
        "uid": f"4f1d2c3b-7a3e-4a5b-8c6d-c0de{NUMBER}",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": obj["metadata"]["name"],
        "namespace": obj["metadata"]["namespace"],
        "operation": operation,
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "uid": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=6fa459ea-ee8a-3ca4-894e-db77e160355e"]},
        },
        "object": obj,
        "oldObject": old,
        "dryRun": True,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"]},
    }
    document = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"  # the apiserver's encoder ends with a new line


def _relabelled() -> bytes:
    old = good_pod()
    new = copy.deepcopy(old)
    new["metadata"]["labels"]["shop.example/canary"] = "true"
    return review(new, old)


CASES: Final = (
    Case("pod-allowed", "restricted pod, three containers, allowed", review(good_pod())),
    Case("pod-denied", "the same breaking ten rules, denied", review(bad_pod()), allowed=False),
    Case("deployment-allowed", "Deployment of the good pod", review(deployment(good_pod()))),
    Case("deployment-warned", "Deployment of the bad pod, warned about", review(deployment(bad_pod())), warns=True),
    Case("pod-relabelled", "update of the good pod's labels", _relabelled()),
    Case("pod-small", "one container, allowed", review(small_pod())),
    Case("namespace-privileged", "the bad pod in a privileged namespace", review(bad_pod(PRIVILEGED))),
    Case("pod-allowed-connecting", "the good pod, a new TLS connection each", review(good_pod()), renew=1),
)
MAIN: Final = "pod-allowed"
"""The case of `ratio_cpu_restricted`."""

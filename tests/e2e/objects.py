"""Objects that the end-to-end tests create: a pod that meets restricted, ones that do not, and every controller."""

from __future__ import annotations

import copy
import json
from typing import Any

Object = dict[str, Any]

IMAGE = "registry.example.com/team/app:1.0"
_RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTROLLERS = {  # plural -> (API version, kind, path of the pod template)
    "deployments": ("apps/v1", "Deployment", "spec.template"),
    "replicasets": ("apps/v1", "ReplicaSet", "spec.template"),
    "statefulsets": ("apps/v1", "StatefulSet", "spec.template"),
    "daemonsets": ("apps/v1", "DaemonSet", "spec.template"),
    "replicationcontrollers": ("v1", "ReplicationController", "spec.template"),
    "jobs": ("batch/v1", "Job", "spec.template"),
    "cronjobs": ("batch/v1", "CronJob", "spec.jobTemplate.spec.template"),
    "podtemplates": ("v1", "PodTemplate", "template"),
}


def container(name: str = "app", **security: Any) -> Object:
    """A container that meets restricted, but for what `security` changes in its securityContext."""
    return {
        "name": name,
        "image": IMAGE,
        "securityContext": {**copy.deepcopy(_RESTRICTED_CONTAINER), **security},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
    }


def pod(name: str, *containers: Object, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod of the containers (by default one that meets restricted); `spec` are further fields."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "e2e", **(labels or {})}},
        "spec": {"containers": list(containers) or [container()], **spec},
    }


def privileged_pod(name: str) -> Object:
    """A pod that breaks one rule of baseline: its container `app` is privileged."""
    return pod(name, container(privileged=True, allowPrivilegeEscalation=True))


def root_pod(name: str) -> Object:
    """A pod that meets baseline and breaks one rule of restricted: it may run as root."""
    return pod(name, container(runAsNonRoot=False))


def controller(plural: str, name: str, template: Object) -> Object:
    """The controller object that would create the pod `template`."""
    api_version, kind, path = CONTROLLERS[plural]
    metadata = {"labels": template["metadata"]["labels"]}
    spec = copy.deepcopy(template["spec"])
    body: Object = {"metadata": metadata, "spec": spec}
    if plural in {"jobs", "cronjobs"}:
        spec["restartPolicy"] = "Never"
    for part in reversed(path.split(".")):
        body = {part: body}
    extra: Object = {}
    if plural in {"deployments", "replicasets", "statefulsets", "daemonsets"}:
        extra["selector"] = {"matchLabels": metadata["labels"]}
    if plural == "replicationcontrollers":
        extra["selector"] = metadata["labels"]
    if plural == "statefulsets":
        extra["serviceName"] = name
    if plural == "cronjobs":
        extra["schedule"] = "0 0 1 1 *"
    if extra:
        body["spec"] |= extra
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **body}


def text(*objects: Object) -> str:
    """Several objects as one document for `kubectl -f -`."""
    if len(objects) == 1:
        return json.dumps(objects[0])
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})

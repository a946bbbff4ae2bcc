"""Reviews as the apiserver sends them, and snapshots to judge them by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.catalog import catalog
from app.core.decision import Decision
from app.core.decode import decode_review
from app.core.envelope import AdmissionRequest
from app.core.facts import Facts
from app.core.plan import Modes, Snapshot
from app.core.pod import Pod
from app.core.respond import respond
from app.core.review import judge, request_of
from app.core.target import pod_object, view
from app.core.version import Level, LevelVersion, Version

Json = dict[str, Any]

GOOD_SPEC: Final[Json] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "app",
            "image": "registry.example/app:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
"""Keeps the restricted level in every version."""
PLAIN_SPEC: Final[Json] = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
"""Keeps baseline and breaks restricted."""
BAD_SPEC: Final[Json] = {**PLAIN_SPEC, "hostNetwork": True}
"""Breaks baseline, by one finding of one check."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that carries a pod: how the apiserver names it, and where the pod stands in it."""

    group: str
    resource: str
    kind: str
    prefix: str

    def object(self, metadata: Json | None, spec: Json | None) -> Json:
        """An object whose pod, or pod template, has this metadata and spec; None leaves it out."""
        body: Json = {}
        if metadata is not None:
            body["metadata"] = metadata
        if spec is not None:
            body["spec"] = spec
        version = f"{self.group}/v1" if self.group else "v1"
        if not self.prefix:
            return {"apiVersion": version, "kind": self.kind, **body, "metadata": {"name": "web", **(metadata or {})}}
        for part in reversed(self.prefix.strip(".").split(".")):
            body = {part: body}
        return {"apiVersion": version, "kind": self.kind, "metadata": {"name": "web"}, **body}


POD: Final = Kind("", "pods", "Pod", "")
CONTROLLERS: Final = (
    Kind("", "replicationcontrollers", "ReplicationController", "spec.template."),
    Kind("", "podtemplates", "PodTemplate", "template."),
    Kind("apps", "deployments", "Deployment", "spec.template."),
    Kind("apps", "replicasets", "ReplicaSet", "spec.template."),
    Kind("apps", "statefulsets", "StatefulSet", "spec.template."),
    Kind("apps", "daemonsets", "DaemonSet", "spec.template."),
    Kind("batch", "jobs", "Job", "spec.template."),
    Kind("batch", "cronjobs", "CronJob", "spec.jobTemplate.spec.template."),
)
DEPLOYMENT: Final = CONTROLLERS[2]


def request_json(kind: Kind = POD, spec: Json | None = None, /, *, metadata: Json | None = None, **fields: Any) -> Json:
    """The `request` of a review: creates an object of `kind`; `fields` replace members, None leaves one out."""
    names = {"group": kind.group, "version": "v1"}
    request: Json = {
        "uid": "uid-1",
        "kind": {**names, "kind": kind.kind},
        "resource": {**names, "resource": kind.resource},
        "requestKind": {**names, "kind": kind.kind},
        "requestResource": {**names, "resource": kind.resource},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ada"},
        "object": kind.object(metadata, PLAIN_SPEC if spec is None else spec),
        "oldObject": None,
        "dryRun": False,
    }
    for name, value in fields.items():
        if value is None:
            request.pop(name, None)
        else:
            request[name] = value
    return request


def body_of(request: Json) -> bytes:
    """The review around a request, as bytes."""
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def request(kind: Kind = POD, spec: Json | None = None, /, **fields: Any) -> AdmissionRequest:
    """A decoded request."""
    return request_of(decode_review(body_of(request_json(kind, spec, **fields))))


def namespace_json(new: Json, old: Json | None = None, **fields: Any) -> Json:
    """The `request` of a review that creates a namespace with labels, or with `old` updates it."""
    kind = Kind("", "namespaces", "Namespace", "")

    def labelled(labels: Json) -> Json:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}

    changed = {"operation": "UPDATE", "oldObject": labelled(old)} if old is not None else {}
    return request_json(kind, **{"name": "shop", "namespace": "shop", "object": labelled(new), **changed, **fields})


def namespace_request(new: Json, old: Json | None = None, **fields: Any) -> AdmissionRequest:
    """The same, decoded."""
    return request_of(decode_review(body_of(namespace_json(new, old, **fields))))


def policy(text: str) -> LevelVersion:
    """Read `restricted:v1.31` or, for latest, `restricted`."""
    level, _, version = text.partition(":")
    return LevelVersion(Level.parse(level), Version.parse(version or "latest"))


def modes(enforce: str = "privileged", audit: str = "privileged", warn: str = "privileged") -> Modes:
    """Three modes, each in the short form of `policy`."""
    return Modes(policy(enforce), policy(audit), policy(warn))


def snapshot(
    enforce: str = "privileged", audit: str = "privileged", warn: str = "privileged", **fields: Any
) -> Snapshot:
    """The shipped checks with defaults for namespaces that say nothing."""
    return Snapshot(**{"rules": catalog().rules, "defaults": modes(enforce, audit, warn), **fields})


def labels(**values: str) -> dict[str, str]:
    """Pod Security labels: `enforce_version` is `pod-security.kubernetes.io/enforce-version`."""
    return {f"pod-security.kubernetes.io/{name.replace('_', '-')}": value for name, value in values.items()}


def decide(asked: AdmissionRequest, by: Snapshot, **namespace_labels: str) -> Decision:
    """Judge in a namespace with these Pod Security labels."""
    return judge(asked, by, Facts(labels(**namespace_labels)))


def answer(decision: Decision) -> Json:
    """The `response` of the answer's bytes."""
    review: Json = msgspec.json.decode(respond(decision))
    assert set(review) == {"apiVersion", "kind", "response"}
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: Json = review["response"]
    return response


def pod(spec: Json, *, annotations: Json | None = None) -> Pod:
    """A pod as the checks see it."""
    metadata = {"name": "web", **({"annotations": annotations} if annotations else {})}
    return view(pod_object(msgspec.json.encode({"metadata": metadata, "spec": spec}), "pod"))


def paths(decision: Decision) -> list[str]:
    """Paths of what the enforce mode found."""
    return [finding.path for finding in decision.enforce.findings]

"""From a request to the pod it would create: which objects carry a pod, where, and whether an update matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.core.decode import decode
from app.core.envelope import AdmissionRequest
from app.core.objects import CronJob, Namespace, ObjectMeta, PodObject, PodTemplate, PodTemplateSpec, Workload
from app.core.pod import Pod
from app.core.wire import Container, PodSpec
from app.errors import MalformedReview

IGNORED_SUBRESOURCES: Final = frozenset(
    {"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"}
)
"""Subresources of pods that cannot change the pod's spec; every other one is judged as a pod, known to us or not."""

_NULL: Final = msgspec.Raw(b"null")
_pod: Final = msgspec.json.Decoder(PodObject)
_namespace: Final = msgspec.json.Decoder(Namespace)


@dataclass(frozen=True, slots=True)
class Controller:
    """A kind that makes pods from a template."""

    kind: str
    prefix: str
    """Path of the template, with a dot behind it."""
    decoder: msgspec.json.Decoder[Any]
    template: Callable[[Any], PodTemplateSpec | None]


def _workload(kind: str) -> Controller:
    return Controller(kind, "spec.template.", msgspec.json.Decoder(Workload), lambda o: o.spec and o.spec.template)


def _job_template(cron_job: CronJob) -> PodTemplateSpec | None:
    job = cron_job.spec.job_template if cron_job.spec is not None else None
    return job.spec.template if job is not None and job.spec is not None else None


CONTROLLERS: Final[dict[tuple[str, str], Controller]] = {
    ("", "replicationcontrollers"): _workload("ReplicationController"),
    ("", "podtemplates"): Controller(
        "PodTemplate", "template.", msgspec.json.Decoder(PodTemplate), lambda o: o.template
    ),
    ("apps", "deployments"): _workload("Deployment"),
    ("apps", "replicasets"): _workload("ReplicaSet"),
    ("apps", "statefulsets"): _workload("StatefulSet"),
    ("apps", "daemonsets"): _workload("DaemonSet"),
    ("batch", "jobs"): _workload("Job"),
    ("batch", "cronjobs"): Controller(
        "CronJob", "spec.jobTemplate.spec.template.", msgspec.json.Decoder(CronJob), _job_template
    ),
}
"""API group and resource of every built-in kind with a pod template."""


def view(pod: PodObject) -> Pod:
    """Show a decoded pod to the checks."""
    return Pod(pod.metadata, pod.spec)


def pod_object(raw: msgspec.Raw | bytes, what: str) -> PodObject:
    """Decode a pod; `what` names it in errors. Raises MalformedReview."""
    return decode(_pod, _present(raw, what), what)


def template_of(request: AdmissionRequest, controller: Controller) -> Pod | None:
    """Decode the pod template of a controller; None where the object has none. Raises MalformedReview."""
    return _template(request.object, "object", controller)


def _template(raw: msgspec.Raw, what: str, controller: Controller) -> Pod | None:
    found = decode(controller.decoder, _present(raw, what), what)
    template = controller.template(found)
    if template is None and controller.kind != "ReplicationController":  # whose template alone is optional
        template = PodTemplateSpec()
    return None if template is None else Pod(template.metadata, template.spec, controller.prefix, found.metadata)


def versions_of(request: AdmissionRequest, controller: Controller | None) -> tuple[Pod | None, Pod | None]:
    """Decode the pod of a request and, for an update, the one before. Raises MalformedReview."""
    updated = request.operation == "UPDATE"
    if controller is None:
        old = view(pod_object(request.old_object, "oldObject")) if updated else None
        return view(pod_object(request.object, "object")), old
    old = _template(request.old_object, "oldObject", controller) if updated else None
    return _template(request.object, "object", controller), old


def namespace_labels(raw: msgspec.Raw, what: str) -> dict[str, str]:
    """Labels of the namespace in `raw`; `what` names it in errors. Raises MalformedReview."""
    metadata: ObjectMeta | None = decode(_namespace, _present(raw, what), what).metadata
    return (metadata and metadata.labels) or {}


def _present(raw: msgspec.Raw | bytes, what: str) -> msgspec.Raw | bytes:
    if len(memoryview(raw)) == 0 or raw == _NULL:
        msg = f"{what} is missing"
        raise MalformedReview(msg)
    return raw


def is_significant_update(new: PodObject, old: PodObject) -> bool:
    """Whether an update of a pod can change its verdict: another image, or another set of containers.

    Everything else that matters is immutable in a pod. Judging no other update keeps a pod that broke no rule when it
    was made from being stuck (finalizers, labels) once the rules are stricter.
    """
    after = new.spec or PodSpec()
    before = old.spec or PodSpec()
    return (
        _images_differ(after.containers, before.containers)
        or _images_differ(after.init_containers, before.init_containers)
        or _ephemeral_differ(after.ephemeral_containers or [], before.ephemeral_containers or [])
    )


def _images_differ(after: list[Container] | None, before: list[Container] | None) -> bool:
    return [container.image or "" for container in after or ()] != [container.image or "" for container in before or ()]


def _ephemeral_differ(after: list[Container], before: list[Container]) -> bool:
    images: dict[str, str] = {}
    for container in before:
        images.setdefault(container.name or "", container.image or "")
    return any(images.get(container.name or "") != (container.image or "") for container in after)

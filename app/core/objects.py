"""The Kubernetes objects that carry a pod, and namespaces: `wire.py` goes on."""

from __future__ import annotations

from msgspec import Raw

from app.core.wire import NIL, PodSpec, Wire


class OwnerReference(Wire):
    """meta/v1 OwnerReference."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Wire):
    """meta/v1 ObjectMeta."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    self_link: Raw = NIL
    uid: Raw = NIL
    resource_version: Raw = NIL
    generation: Raw = NIL
    creation_timestamp: Raw = NIL
    deletion_timestamp: Raw = NIL
    deletion_grace_period_seconds: Raw = NIL
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    finalizers: Raw = NIL
    managed_fields: Raw = NIL


class PodTemplateSpec(Wire):
    """core/v1 PodTemplateSpec."""

    metadata: ObjectMeta | None = None
    spec: PodSpec | None = None


class Object(Wire):
    """What every object has."""

    api_version: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None
    status: Raw = NIL


class PodObject(Object):
    """core/v1 Pod."""

    spec: PodSpec | None = None


class PodTemplate(Object):
    """core/v1 PodTemplate."""

    template: PodTemplateSpec | None = None


class WorkloadSpec(Wire):
    """The specs of ReplicationController, ReplicaSet, Deployment, StatefulSet, DaemonSet and Job together."""

    template: PodTemplateSpec | None = None
    selector: Raw = NIL
    replicas: Raw = NIL
    min_ready_seconds: Raw = NIL
    paused: Raw = NIL
    progress_deadline_seconds: Raw = NIL
    revision_history_limit: Raw = NIL
    strategy: Raw = NIL
    update_strategy: Raw = NIL
    ordinals: Raw = NIL
    persistent_volume_claim_retention_policy: Raw = NIL
    pod_management_policy: Raw = NIL
    service_name: Raw = NIL
    volume_claim_templates: Raw = NIL
    active_deadline_seconds: Raw = NIL
    backoff_limit: Raw = NIL
    backoff_limit_per_index: Raw = NIL
    completion_mode: Raw = NIL
    completions: Raw = NIL
    managed_by: Raw = NIL
    manual_selector: Raw = NIL
    max_failed_indexes: Raw = NIL
    parallelism: Raw = NIL
    pod_failure_policy: Raw = NIL
    pod_replacement_policy: Raw = NIL
    scheduling: Raw = NIL
    success_policy: Raw = NIL
    suspend: Raw = NIL
    ttl_seconds_after_finished: Raw = NIL


class Workload(Object):
    """An object that makes pods from `spec.template`."""

    spec: WorkloadSpec | None = None


class JobTemplateSpec(Wire):
    """batch/v1 JobTemplateSpec."""

    metadata: ObjectMeta | None = None
    spec: WorkloadSpec | None = None


class CronJobSpec(Wire):
    """batch/v1 CronJobSpec."""

    schedule: Raw = NIL
    time_zone: Raw = NIL
    starting_deadline_seconds: Raw = NIL
    concurrency_policy: Raw = NIL
    suspend: Raw = NIL
    job_template: JobTemplateSpec | None = None
    successful_jobs_history_limit: Raw = NIL
    failed_jobs_history_limit: Raw = NIL


class CronJob(Object):
    """batch/v1 CronJob."""

    spec: CronJobSpec | None = None


class Namespace(Object):
    """core/v1 Namespace."""

    spec: Raw = NIL

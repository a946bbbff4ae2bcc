"""The Kubernetes objects of a review, as msgspec structs that decode in C.

Every field that the API has is declared, though most stay undecoded (`Raw`): the checks read only a few, but an object
whose re-encoding is as long as what was sent has lost nothing, so that a repeated key or an unknown field is noticed
for the price of one encode (`decode.py`). A test compares the structs with Kubernetes' OpenAPI document.

Field names and types: https://kubernetes.io/docs/reference/kubernetes-api/ (v1.37) and admission.k8s.io/v1.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

_NIL = Raw()
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Wire(Struct, rename="camel", omit_defaults=True, gc=False):
    """Base of all: camelCase on the wire, absent fields left out when encoded."""


class SELinuxOptions(Wire):
    """core/v1 SELinuxOptions."""

    user: str | None = None
    role: str | None = None
    type: str | None = None
    level: str | None = None


class Profile(Wire):
    """core/v1 SeccompProfile and AppArmorProfile, which have the same fields."""

    type: str | None = None
    localhost_profile: str | None = None


class WindowsOptions(Wire):
    """core/v1 WindowsSecurityContextOptions."""

    gmsa_credential_spec_name: str | None = None
    gmsa_credential_spec: str | None = None
    run_as_user_name: str | None = None
    host_process: bool | None = None


class Capabilities(Wire):
    """core/v1 Capabilities."""

    add: list[str] | None = None
    drop: list[str] | None = None


class SecurityContext(Wire):
    """core/v1 SecurityContext, of one container."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: Profile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    run_as_user: Int64 | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: Profile | None = None
    windows_options: WindowsOptions | None = None


class Sysctl(Wire):
    """core/v1 Sysctl."""

    name: str | None = None
    value: str | None = None


class PodSecurityContext(Wire):
    """core/v1 PodSecurityContext, of the whole pod."""

    app_armor_profile: Profile | None = None
    fs_group: Int64 | None = None
    fs_group_change_policy: str | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    run_as_user: Int64 | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: Profile | None = None
    supplemental_groups: Raw = _NIL
    supplemental_groups_policy: str | None = None
    sysctls: list[Sysctl] | None = None
    windows_options: WindowsOptions | None = None


class ContainerPort(Wire):
    """core/v1 ContainerPort."""

    name: str | None = None
    host_port: Int32 | None = None
    container_port: Int32 | None = None
    protocol: str | None = None
    host_ip: str | None = field(default=None, name="hostIP")


class HTTPGetAction(Wire):
    """core/v1 HTTPGetAction."""

    path: str | None = None
    port: Raw = _NIL
    host: str | None = None
    scheme: str | None = None
    http_headers: Raw = _NIL
    protocol: str | None = None


class TCPSocketAction(Wire):
    """core/v1 TCPSocketAction."""

    port: Raw = _NIL
    host: str | None = None


class Probe(Wire):
    """core/v1 Probe."""

    exec: Raw = _NIL
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: Raw = _NIL
    initial_delay_seconds: Raw = _NIL
    timeout_seconds: Raw = _NIL
    period_seconds: Raw = _NIL
    success_threshold: Raw = _NIL
    failure_threshold: Raw = _NIL
    termination_grace_period_seconds: Raw = _NIL


class LifecycleHandler(Wire):
    """core/v1 LifecycleHandler."""

    exec: Raw = _NIL
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: Raw = _NIL


class Lifecycle(Wire):
    """core/v1 Lifecycle."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class Container(Wire):
    """core/v1 Container and EphemeralContainer."""

    name: str | None = None
    image: str | None = None
    command: Raw = _NIL
    args: Raw = _NIL
    working_dir: str | None = None
    ports: list[ContainerPort] | None = None
    env_from: Raw = _NIL
    env: Raw = _NIL
    resources: Raw = _NIL
    resize_policy: Raw = _NIL
    restart_policy: str | None = None
    restart_policy_rules: Raw = _NIL
    volume_mounts: Raw = _NIL
    volume_devices: Raw = _NIL
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str | None = None
    termination_message_policy: str | None = None
    image_pull_policy: str | None = None
    security_context: SecurityContext | None = None
    stdin: bool | None = None
    stdin_once: bool | None = None
    tty: bool | None = None
    target_container_name: str | None = None


class Volume(Wire):
    """core/v1 Volume: a name and one source. A source of a newer API shows as none of these."""

    name: str | None = None
    host_path: Raw = _NIL
    empty_dir: Raw = _NIL
    gce_persistent_disk: Raw = _NIL
    aws_elastic_block_store: Raw = _NIL
    git_repo: Raw = _NIL
    secret: Raw = _NIL
    nfs: Raw = _NIL
    iscsi: Raw = _NIL
    glusterfs: Raw = _NIL
    persistent_volume_claim: Raw = _NIL
    rbd: Raw = _NIL
    flex_volume: Raw = _NIL
    cinder: Raw = _NIL
    cephfs: Raw = _NIL
    flocker: Raw = _NIL
    downward_api: Raw = field(default=_NIL, name="downwardAPI")
    fc: Raw = _NIL
    azure_file: Raw = _NIL
    config_map: Raw = _NIL
    vsphere_volume: Raw = _NIL
    quobyte: Raw = _NIL
    azure_disk: Raw = _NIL
    photon_persistent_disk: Raw = _NIL
    projected: Raw = _NIL
    portworx_volume: Raw = _NIL
    scale_io: Raw = field(default=_NIL, name="scaleIO")
    storageos: Raw = _NIL
    csi: Raw = _NIL
    ephemeral: Raw = _NIL
    image: Raw = _NIL


class PodOS(Wire):
    """core/v1 PodOS."""

    name: str | None = None


class PodSpec(Wire):
    """core/v1 PodSpec."""

    volumes: list[Volume] | None = None
    init_containers: list[Container] | None = None
    containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    restart_policy: str | None = None
    termination_grace_period_seconds: Raw = _NIL
    active_deadline_seconds: Raw = _NIL
    dns_policy: str | None = None
    node_selector: Raw = _NIL
    service_account_name: str | None = None
    service_account: str | None = None
    automount_service_account_token: bool | None = None
    node_name: str | None = None
    host_network: bool | None = None
    host_pid: bool | None = field(default=None, name="hostPID")
    host_ipc: bool | None = field(default=None, name="hostIPC")
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: Raw = _NIL
    hostname: str | None = None
    subdomain: str | None = None
    affinity: Raw = _NIL
    scheduler_name: str | None = None
    tolerations: Raw = _NIL
    host_aliases: Raw = _NIL
    priority_class_name: str | None = None
    priority: Raw = _NIL
    dns_config: Raw = _NIL
    readiness_gates: Raw = _NIL
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    overhead: Raw = _NIL
    topology_spread_constraints: Raw = _NIL
    set_hostname_as_fqdn: bool | None = field(default=None, name="setHostnameAsFQDN")
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: Raw = _NIL
    resource_claims: Raw = _NIL
    resources: Raw = _NIL
    hostname_override: str | None = None
    scheduling_group: Raw = _NIL
    eviction_responders: Raw = _NIL


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
    self_link: Raw = _NIL
    uid: Raw = _NIL
    resource_version: Raw = _NIL
    generation: Raw = _NIL
    creation_timestamp: Raw = _NIL
    deletion_timestamp: Raw = _NIL
    deletion_grace_period_seconds: Raw = _NIL
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    finalizers: Raw = _NIL
    managed_fields: Raw = _NIL


class PodTemplateSpec(Wire):
    """core/v1 PodTemplateSpec."""

    metadata: ObjectMeta | None = None
    spec: PodSpec | None = None


class Object(Wire):
    """What every object has."""

    api_version: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None
    status: Raw = _NIL


class PodObject(Object):
    """core/v1 Pod."""

    spec: PodSpec | None = None


class PodTemplate(Object):
    """core/v1 PodTemplate."""

    template: PodTemplateSpec | None = None


class WorkloadSpec(Wire):
    """The specs of ReplicationController, ReplicaSet, Deployment, StatefulSet, DaemonSet and Job together."""

    template: PodTemplateSpec | None = None
    selector: Raw = _NIL
    replicas: Raw = _NIL
    min_ready_seconds: Raw = _NIL
    paused: Raw = _NIL
    progress_deadline_seconds: Raw = _NIL
    revision_history_limit: Raw = _NIL
    strategy: Raw = _NIL
    update_strategy: Raw = _NIL
    ordinals: Raw = _NIL
    persistent_volume_claim_retention_policy: Raw = _NIL
    pod_management_policy: Raw = _NIL
    service_name: Raw = _NIL
    volume_claim_templates: Raw = _NIL
    active_deadline_seconds: Raw = _NIL
    backoff_limit: Raw = _NIL
    backoff_limit_per_index: Raw = _NIL
    completion_mode: Raw = _NIL
    completions: Raw = _NIL
    managed_by: Raw = _NIL
    manual_selector: Raw = _NIL
    max_failed_indexes: Raw = _NIL
    parallelism: Raw = _NIL
    pod_failure_policy: Raw = _NIL
    pod_replacement_policy: Raw = _NIL
    scheduling: Raw = _NIL
    success_policy: Raw = _NIL
    suspend: Raw = _NIL
    ttl_seconds_after_finished: Raw = _NIL


class Workload(Object):
    """An object that makes pods from `spec.template`."""

    spec: WorkloadSpec | None = None


class JobTemplateSpec(Wire):
    """batch/v1 JobTemplateSpec."""

    metadata: ObjectMeta | None = None
    spec: WorkloadSpec | None = None


class CronJobSpec(Wire):
    """batch/v1 CronJobSpec."""

    schedule: Raw = _NIL
    time_zone: Raw = _NIL
    starting_deadline_seconds: Raw = _NIL
    concurrency_policy: Raw = _NIL
    suspend: Raw = _NIL
    job_template: JobTemplateSpec | None = None
    successful_jobs_history_limit: Raw = _NIL
    failed_jobs_history_limit: Raw = _NIL


class CronJob(Object):
    """batch/v1 CronJob."""

    spec: CronJobSpec | None = None


class Namespace(Object):
    """core/v1 Namespace."""

    spec: Raw = _NIL


class GroupVersionKind(Wire):
    """meta/v1 GroupVersionKind."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None


class GroupVersionResource(Wire):
    """meta/v1 GroupVersionResource."""

    group: str | None = None
    version: str | None = None
    resource: str | None = None


class UserInfo(Wire):
    """authentication/v1 UserInfo."""

    username: str | None = None
    uid: str | None = None
    groups: Raw = _NIL
    extra: Raw = _NIL


class AdmissionRequest(Wire):
    """admission/v1 AdmissionRequest."""

    uid: str | None = None
    kind: GroupVersionKind | None = None
    resource: GroupVersionResource | None = None
    sub_resource: str | None = None
    request_kind: GroupVersionKind | None = None
    request_resource: GroupVersionResource | None = None
    request_sub_resource: str | None = None
    name: str | None = None
    namespace: str | None = None
    operation: str | None = None
    user_info: UserInfo | None = None
    object: Raw = _NIL
    old_object: Raw = _NIL
    dry_run: bool | None = None
    options: Raw = _NIL


class AdmissionReview(Wire):
    """admission/v1 AdmissionReview."""

    api_version: str | None = None
    kind: str | None = None
    request: AdmissionRequest | None = None
    response: Raw = _NIL


_NULL = Raw(b"null")


def present(value: Raw) -> bool:
    """Whether an undecoded field is there and not null."""
    return value is not _NIL and value != _NULL

"""The spec of a pod, as msgspec structs that decode in C.

Every field that the API has is declared, though most stay undecoded (`Raw`): the checks read only a few, but an object
whose re-encoding is as long as what was sent has lost nothing, so that a repeated key or an unknown field is noticed
for the price of one encode (`decode.py`). A test compares the structs with Kubernetes' OpenAPI document.

Field names and types: https://kubernetes.io/docs/reference/kubernetes-api/ (v1.37) and admission.k8s.io/v1.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

NIL = Raw()
"""An undecoded field that is absent."""
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
    supplemental_groups: Raw = NIL
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
    port: Raw = NIL
    host: str | None = None
    scheme: str | None = None
    http_headers: Raw = NIL
    protocol: str | None = None


class TCPSocketAction(Wire):
    """core/v1 TCPSocketAction."""

    port: Raw = NIL
    host: str | None = None


class Probe(Wire):
    """core/v1 Probe."""

    exec: Raw = NIL
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: Raw = NIL
    initial_delay_seconds: Raw = NIL
    timeout_seconds: Raw = NIL
    period_seconds: Raw = NIL
    success_threshold: Raw = NIL
    failure_threshold: Raw = NIL
    termination_grace_period_seconds: Raw = NIL


class LifecycleHandler(Wire):
    """core/v1 LifecycleHandler."""

    exec: Raw = NIL
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: Raw = NIL


class Lifecycle(Wire):
    """core/v1 Lifecycle."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class Container(Wire):
    """core/v1 Container and EphemeralContainer."""

    name: str | None = None
    image: str | None = None
    command: Raw = NIL
    args: Raw = NIL
    working_dir: str | None = None
    ports: list[ContainerPort] | None = None
    env_from: Raw = NIL
    env: Raw = NIL
    resources: Raw = NIL
    resize_policy: Raw = NIL
    restart_policy: str | None = None
    restart_policy_rules: Raw = NIL
    volume_mounts: Raw = NIL
    volume_devices: Raw = NIL
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
    host_path: Raw = NIL
    empty_dir: Raw = NIL
    gce_persistent_disk: Raw = NIL
    aws_elastic_block_store: Raw = NIL
    git_repo: Raw = NIL
    secret: Raw = NIL
    nfs: Raw = NIL
    iscsi: Raw = NIL
    glusterfs: Raw = NIL
    persistent_volume_claim: Raw = NIL
    rbd: Raw = NIL
    flex_volume: Raw = NIL
    cinder: Raw = NIL
    cephfs: Raw = NIL
    flocker: Raw = NIL
    downward_api: Raw = field(default=NIL, name="downwardAPI")
    fc: Raw = NIL
    azure_file: Raw = NIL
    config_map: Raw = NIL
    vsphere_volume: Raw = NIL
    quobyte: Raw = NIL
    azure_disk: Raw = NIL
    photon_persistent_disk: Raw = NIL
    projected: Raw = NIL
    portworx_volume: Raw = NIL
    scale_io: Raw = field(default=NIL, name="scaleIO")
    storageos: Raw = NIL
    csi: Raw = NIL
    ephemeral: Raw = NIL
    image: Raw = NIL


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
    termination_grace_period_seconds: Raw = NIL
    active_deadline_seconds: Raw = NIL
    dns_policy: str | None = None
    node_selector: Raw = NIL
    service_account_name: str | None = None
    service_account: str | None = None
    automount_service_account_token: bool | None = None
    node_name: str | None = None
    host_network: bool | None = None
    host_pid: bool | None = field(default=None, name="hostPID")
    host_ipc: bool | None = field(default=None, name="hostIPC")
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: Raw = NIL
    hostname: str | None = None
    subdomain: str | None = None
    affinity: Raw = NIL
    scheduler_name: str | None = None
    tolerations: Raw = NIL
    host_aliases: Raw = NIL
    priority_class_name: str | None = None
    priority: Raw = NIL
    dns_config: Raw = NIL
    readiness_gates: Raw = NIL
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    overhead: Raw = NIL
    topology_spread_constraints: Raw = NIL
    set_hostname_as_fqdn: bool | None = field(default=None, name="setHostnameAsFQDN")
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: Raw = NIL
    resource_claims: Raw = NIL
    resources: Raw = NIL
    hostname_override: str | None = None
    scheduling_group: Raw = NIL
    eviction_responders: Raw = NIL


_NULL = Raw(b"null")


def present(value: Raw) -> bool:
    """Whether an undecoded field is there and not null."""
    return value is not NIL and value != _NULL

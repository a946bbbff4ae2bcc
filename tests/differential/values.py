"""Values near the edges of the checks: what is allowed, what is just not, and what only looks alike."""

from __future__ import annotations

from random import Random
from typing import Any, Final

MISSING: Final = object()
"""Says that a field is left out."""

MAYBE_TRUE: Final = (True, False, None, MISSING)
CAPABILITIES: Final = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "NET_BIND_SERVICE", "NET_BIND_SERVICE"),
    *("NET_RAW", "SYS_ADMIN", "ALL", "all", "CAP_CHOWN", "CAP_NET_BIND_SERVICE", "chown", "net_bind_service", ""),
    *("SYS_PTRACE", "SYS_TIME", "NET_ADMIN", "CHOWN ", "NET_BIND_SERVICE,NET_RAW"),
)
DROPS: Final[tuple[Any, ...]] = (
    ["ALL"],
    ["ALL"],
    ["NET_RAW", "ALL"],
    ["all"],
    ["CAP_ALL"],
    [],
    None,
    MISSING,
    ["NET_RAW"],
    ["ALL", "ALL"],
    [""],
)
SECCOMP_TYPES: Final = (
    *("RuntimeDefault", "Localhost", "RuntimeDefault", "Localhost", "Unconfined"),
    *("", "runtimedefault", "runtime/default", "localhost", "RuntimeDefault ", MISSING, None),
)
APPARMOR_TYPES: Final = SECCOMP_TYPES
PROC_MOUNTS: Final = ("Default", "Unmasked", "", "default", "unmasked", "Default ", None, MISSING)
SELINUX_TYPES: Final = (
    *("container_t", "container_init_t", "container_kvm_t", "container_engine_t", "container_engine_t"),
    *("", None, MISSING, "spc_t", "container_T", "container_t ", "container_engine", "container_logreader_t"),
)
SELINUX_WORDS: Final = (MISSING, MISSING, MISSING, "", None, "system_u", " ", "role")
USERS: Final = (0, 0, 1, 1000, 65534, -1, 9223372036854775807, None, MISSING)
SYSCTLS: Final = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
    *("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"),
    *("net.ipv4.ip_forward", "kernel.msgmax", "fs.mqueue.msg_max", "net/ipv4/tcp_rmem", "Net.ipv4.tcp_rmem"),
    *("net.ipv4.tcp_rmem ", "", MISSING, None, "net.ipv4.tcp_keepalive", "privileged, procMount"),
)
HOSTS: Final = (MISSING, MISSING, MISSING, "", None, "127.0.0.1", "::1", "localhost", "example.com", " ", "0.0.0.0")
HOST_PORTS: Final = (MISSING, MISSING, 0, 0, None, 1, 80, 8080, 65535, -1, 2147483647)
APPARMOR_ANNOTATIONS: Final = (
    *("runtime/default", "localhost/profile", "localhost/", "localhost", "unconfined", "", "docker/default"),
    *("Localhost/x", "runtime/default ", "local", 'a", "b'),
)
SECCOMP_ANNOTATIONS: Final = (
    *("runtime/default", "docker/default", "localhost/profile.json", "localhost/", "localhost", "unconfined", ""),
    *("RuntimeDefault", "Localhost/x", "docker/default ", "runtime/default\n"),
)
VOLUMES: Final = {
    "configMap": {"name": "settings"},
    "csi": {"driver": "secrets-store.csi.k8s.io"},
    "downwardAPI": {"items": []},
    "emptyDir": {},
    "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}},
    "image": {"reference": "registry.example/data:1"},
    "persistentVolumeClaim": {"claimName": "data"},
    "projected": {"sources": []},
    "secret": {"secretName": "tls"},
    "hostPath": {"path": "/var/run"},
    "gcePersistentDisk": {"pdName": "disk"},
    "awsElasticBlockStore": {"volumeID": "vol-1"},
    "gitRepo": {"repository": "https://example.com/x.git"},
    "nfs": {"server": "nfs.example", "path": "/"},
    "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0},
    "glusterfs": {"endpoints": "e", "path": "p"},
    "rbd": {"monitors": ["m"], "image": "i"},
    "flexVolume": {"driver": "example/lvm"},
    "cinder": {"volumeID": "v"},
    "cephfs": {"monitors": ["m"]},
    "flocker": {"datasetName": "d"},
    "fc": {"lun": 2},
    "azureFile": {"secretName": "s", "shareName": "s"},
    "vsphereVolume": {"volumePath": "/x"},
    "quobyte": {"registry": "r:1", "volume": "v"},
    "azureDisk": {"diskName": "d", "diskURI": "u"},
    "photonPersistentDisk": {"pdID": "p"},
    "portworxVolume": {"volumeID": "p"},
    "scaleIO": {"gateway": "g", "system": "s", "secretRef": None},
    "storageos": {"volumeName": "s"},
}
"""Every volume source of core/v1 with a plausible body."""

UNKNOWN_VOLUMES: Final = ("teleport", "HostPath", "hostpath", "configmap", "emptydir", "hostPath ")
SYSTEMS: Final = ("windows", "windows", "windows", "linux", "", "Windows", "windows ", None, MISSING)
LEVELS: Final = ("privileged", "baseline", "restricted")
BAD_LEVELS: Final = ("", "Restricted", "baseline ", "none", "restricted:latest", "latest", "privileged,baseline")
LAST_MINOR: Final = 37
VERSIONS: Final = (*(f"v1.{minor}" for minor in range(LAST_MINOR + 1)), "latest")
LATER_VERSIONS: Final = ("v1.38", "v1.99", "v1.1000000", "v1.9223372036854775807")
BAD_VERSIONS: Final = (
    *("", "1.25", "v1", "v2.0", "v1.01", "v1.-1", "v1.25 ", "v1.25\n", "V1.25", "Latest", "v1.25.0", "v1.2x"),
    *("v1.9223372036854775808", "v1.99999999999999999999", "v1.\u0663", "v0.9", "v1.+1", "v1.00"),
)
NAMES: Final = ("app", "sidecar", "c1", "init-1", "proxy", "a", "web")
ODD_NAMES: Final = (
    "",
    'q"uote',
    "a, privileged",
    "line\nbreak",
    "\u00e9t\u00e9",
    "x" * 80,
    "pod",
    "back\\slash",
    "%s%d",
    "{}",
    None,
    MISSING,
)


NOTHING: Final[tuple[Any, ...]] = ((), None)
"""An empty list, in both of its spellings."""


def put(into: dict[str, Any], key: str, value: Any) -> None:
    """Set `into[key]` unless the value is `MISSING`."""
    if value is not MISSING:
        into[key] = value


def pick(random: Random, chance: float, of: tuple[Any, ...], otherwise: Any = MISSING) -> Any:
    """One of `of` with probability `chance`, else `otherwise`."""
    return random.choice(of) if random.random() < chance else otherwise

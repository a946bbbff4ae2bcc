"""A hostPath volume is a door into the node's file system: credentials of the kubelet, sockets of the runtime, logs.

A writable one is enough to take over the node, and even a read-only one tells its secrets.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.version import Level
from app.core.wire import present

ID = "host-path-volumes"


def find(pod: Pod) -> Iterator[Finding]:
    """Find volumes of type hostPath."""
    for index, volume in enumerate(pod.volumes):
        if present(volume.host_path):
            yield Finding(
                ID,
                pod.volume(index, "hostPath"),
                "set",
                "not be set",
                "emptyDir: {}",
                volume=volume.name or "",
            )


CHECK = Check(
    id=ID,
    title="hostPath volumes",
    level=Level.BASELINE,
    severity=Severity.HIGH,
    layer=Layer.FILESYSTEM,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=("spec.volumes[*].hostPath",),
    fix="Use emptyDir for scratch space, or a PersistentVolumeClaim, ConfigMap or CSI volume for data.",
    references=("PSS baseline: HostPath Volumes", "CIS Kubernetes 5.2.12", "NIST SP 800-190 4.4.3", "MITRE T1611"),
    good=(
        Example("no volumes"),
        Example("other types", {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": None}]}),
    ),
    bad=(
        Example(
            "the second volume",
            {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "root", "hostPath": {"path": "/"}}]},
            finds=("spec.volumes[1].hostPath",),
        ),
    ),
    psa_id="hostPathVolumes",
)

"""A pod in the node's namespaces sees what the node sees: its network, its processes, its shared memory.

With the host's network it reaches services that listen on loopback only and can listen to traffic; with its processes
it reads other pods' environment and signals them; with its IPC it reads their shared memory.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.version import Level

ID = "host-namespaces"


def find(pod: Pod) -> Iterator[Finding]:
    """Find `hostNetwork`, `hostPID` and `hostIPC` set to true."""
    spec = pod.spec
    if spec.host_network or spec.host_pid or spec.host_ipc:
        for field, value in (
            ("hostNetwork", spec.host_network),
            ("hostPID", spec.host_pid),
            ("hostIPC", spec.host_ipc),
        ):
            if value:
                yield Finding(ID, pod.at(None, field), "true", "be false or unset", f"{field}: false")


CHECK = Check(
    id=ID,
    title="Host namespaces",
    level=Level.BASELINE,
    severity=Severity.HIGH,
    layer=Layer.USERS,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=("spec.hostNetwork", "spec.hostPID", "spec.hostIPC"),
    fix="Leave the field out; reach the pod through a Service, and other processes through their own API.",
    references=(
        "PSS baseline: Host Namespaces",
        "CIS Kubernetes 5.2.3, 5.2.4, 5.2.5",
        "NIST SP 800-190 4.4.3",
        "MITRE T1611",
    ),
    good=(
        Example("not set"),
        Example("false", {"hostNetwork": False, "hostPID": False, "hostIPC": False}),
    ),
    bad=(
        Example(
            "all three",
            {"hostNetwork": True, "hostPID": True, "hostIPC": True},
            finds=("spec.hostNetwork", "spec.hostPID", "spec.hostIPC"),
        ),
        Example("network", {"hostNetwork": True}, finds=("spec.hostNetwork",)),
        Example("processes", {"hostPID": True}, finds=("spec.hostPID",)),
        Example("shared memory", {"hostIPC": True}, finds=("spec.hostIPC",)),
    ),
    psa_id="hostNamespaces",
)

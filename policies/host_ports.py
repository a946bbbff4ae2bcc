"""A host port binds a port of the node, past Services and most network policies.

The pod can pose as a service of the node or take its traffic, and no second replica fits on the same node.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "host-ports"


def find(pod: Pod) -> Iterator[Finding]:
    """Find container ports with a `hostPort` other than 0."""
    for container in pod.containers:
        if container.ports:
            for index, port in enumerate(container.ports):
                if port.host_port:
                    yield Finding(
                        ID,
                        pod.at(container, f"ports[{index}].hostPort"),
                        str(port.host_port),
                        "be 0 or unset",
                        "hostPort: 0",
                        container=name_of(container),
                    )


CHECK = Check(
    id=ID,
    title="Host ports",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.HOST,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=("spec.{containers,initContainers,ephemeralContainers}[*].ports[*].hostPort",),
    fix="Remove hostPort and expose the pod through a Service.",
    references=("PSS baseline: Host Ports", "CIS Kubernetes 5.2.13"),
    good=(
        Example("no ports"),
        Example(
            "container port only",
            {"containers": [{"name": "app", "ports": [{"containerPort": 8080}, {"containerPort": 81, "hostPort": 0}]}]},
        ),
    ),
    bad=(
        Example(
            "two containers, the second port of one",
            {
                "initContainers": [{"name": "setup", "ports": [{"containerPort": 80, "hostPort": 80}]}],
                "containers": [
                    {"name": "app", "ports": [{"containerPort": 8080}, {"containerPort": 8443, "hostPort": 443}]}
                ],
            },
            finds=("spec.initContainers[0].ports[0].hostPort", "spec.containers[0].ports[1].hostPort"),
        ),
    ),
    psa_id="hostPorts",
)

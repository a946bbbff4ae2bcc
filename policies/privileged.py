"""A privileged container is root on the node: every capability, every device, no seccomp, no AppArmor, no SELinux.

Whoever takes over its process can mount the node's disk or load a kernel module, and so owns the node.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod, name_of
from app.core.version import Level
from app.core.wire import SecurityContext

ID = "privileged"


def find(pod: Pod) -> Iterator[Finding]:
    """Find containers with `privileged: true`."""
    for container, context in pod.contexts:
        if isinstance(context, SecurityContext) and context.privileged:
            yield Finding(
                ID,
                pod.at(container, "securityContext.privileged"),
                "true",
                "be false or unset",
                "privileged: false",
                container=name_of(container),
            )


CHECK = Check(
    id=ID,
    title="Privileged containers",
    level=Level.BASELINE,
    severity=Severity.CRITICAL,
    layer=Layer.ISOLATION,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=("spec.{containers,initContainers,ephemeralContainers}[*].securityContext.privileged",),
    fix="Set privileged to false and grant the single capability or device that the program needs.",
    references=("PSS baseline: Privileged Containers", "CIS Kubernetes 5.2.2", "NIST SP 800-190 4.4.3", "MITRE T1611"),
    good=(
        Example("not set", {"containers": [{"name": "app", "securityContext": {}}]}),
        Example("false", {"containers": [{"name": "app", "securityContext": {"privileged": False}}]}),
    ),
    bad=(
        Example(
            "container and init container",
            {
                "initContainers": [{"name": "setup", "securityContext": {"privileged": True}}],
                "containers": [{"name": "app"}, {"name": "agent", "securityContext": {"privileged": True}}],
            },
            finds=(
                "spec.initContainers[0].securityContext.privileged",
                "spec.containers[1].securityContext.privileged",
            ),
        ),
        Example(
            "ephemeral container",
            {"ephemeralContainers": [{"name": "debug", "securityContext": {"privileged": True}}]},
            finds=("spec.ephemeralContainers[0].securityContext.privileged",),
        ),
    ),
    psa_id="privileged",
)

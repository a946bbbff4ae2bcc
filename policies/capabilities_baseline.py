"""Capabilities are root's power in slices; those beyond the runtime's default set reach the node.

SYS_ADMIN mounts file systems, SYS_PTRACE reads other processes, NET_ADMIN rewires the network, NET_RAW forges packets.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of
from app.core.version import Level
from app.core.wire import SecurityContext

ID = "capabilities-baseline"
ALLOWED = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)


def find(pod: Pod) -> Iterator[Finding]:
    """Find added capabilities that are not in the default set."""
    for container, context in pod.contexts:
        if isinstance(context, SecurityContext) and context.capabilities is not None and context.capabilities.add:
            added = context.capabilities.add
            if not ALLOWED.issuperset(added):
                yield Finding(
                    ID,
                    pod.at(container, "securityContext.capabilities.add"),
                    shown([name for name in added if name not in ALLOWED]),
                    "only have capabilities of the runtime's default set",
                    f"add: {shown([name for name in added if name in ALLOWED])}",
                    container=name_of(container),
                )


def _adding(*names: str) -> dict[str, object]:
    return {"containers": [{"name": "app", "securityContext": {"capabilities": {"add": list(names)}}}]}


CHECK = Check(
    id=ID,
    title="Capabilities beyond the default set",
    level=Level.BASELINE,
    severity=Severity.HIGH,
    layer=Layer.CAPABILITIES,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=("spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.add",),
    fix="Remove the capability, or find the program's documented way to run without it.",
    references=("PSS baseline: Capabilities", "CIS Kubernetes 5.2.8, 5.2.9", "NIST SP 800-190 4.4.3", "MITRE T1611"),
    good=(
        Example("none added"),
        Example("empty lists", _adding()),
        *(Example(f"{name} is in the default set", _adding(name)) for name in sorted(ALLOWED)),
    ),
    bad=(
        Example("NET_RAW", _adding("NET_RAW"), finds=("spec.containers[0].securityContext.capabilities.add",)),
        Example(
            "one of two", _adding("CHOWN", "SYS_ADMIN"), finds=("spec.containers[0].securityContext.capabilities.add",)
        ),
        Example("lower case", _adding("chown"), finds=("spec.containers[0].securityContext.capabilities.add",)),
        Example("with prefix", _adding("CAP_CHOWN"), finds=("spec.containers[0].securityContext.capabilities.add",)),
    ),
    psa_id="capabilities_baseline",
)

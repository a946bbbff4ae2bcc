"""A program that listens on a port and reads its files needs no capability; each one it holds is there to be abused.

The runtime's default set still lets a break-in change owners of files, forge raw sockets' peers or make device nodes.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod
from app.core.version import Level

ID = "capabilities-restricted"
ADDABLE = "NET_BIND_SERVICE"


def find(pod: Pod) -> Iterator[Finding]:
    """Find containers that do not drop ALL, or that add more than NET_BIND_SERVICE."""
    for container in pod.containers:
        context = container.security_context
        capabilities = None if context is None else context.capabilities
        dropped = None if capabilities is None else capabilities.drop
        if not dropped or "ALL" not in dropped:
            yield Finding(
                ID,
                pod.at(container, "securityContext.capabilities.drop"),
                shown(dropped),
                'include "ALL"',
                'drop: ["ALL"]',
                container=container.name or "",
            )
        added = None if capabilities is None else capabilities.add
        if added:
            surplus = [name for name in added if name != ADDABLE]
            if surplus:
                kept = [name for name in added if name == ADDABLE]
                yield Finding(
                    ID,
                    pod.at(container, "securityContext.capabilities.add"),
                    shown(surplus),
                    'only have "NET_BIND_SERVICE"',
                    f"add: {shown(kept)}",
                    container=container.name or "",
                )


def find_but_on_windows(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for Windows pods, which the API allows no capabilities."""
    return iter(()) if pod.on_windows else find(pod)


_DROP = "spec.containers[0].securityContext.capabilities.drop"
_ADD = "spec.containers[0].securityContext.capabilities.add"


def _with(**capabilities: list[str]) -> dict[str, object]:
    return {"containers": [{"name": "app", "securityContext": {"capabilities": capabilities}}]}


CHECK = Check(
    id=ID,
    title="Capabilities",
    level=Level.RESTRICTED,
    severity=Severity.MEDIUM,
    layer=Layer.CAPABILITIES,
    why=__doc__,
    versions=(
        Since("v1.22", find, overrides=("capabilities-baseline",)),
        Since("v1.25", find_but_on_windows, overrides=("capabilities-baseline",)),
    ),
    fields=(
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.drop",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.add",
        "spec.os.name",
    ),
    fix="Drop ALL in every container; add back NET_BIND_SERVICE where it listens on a port below 1024.",
    references=("PSS restricted: Capabilities", "CIS Kubernetes 5.2.9, 5.2.10", "NIST SP 800-190 4.4.3"),
    good=(
        Example("drops ALL", _with(drop=["ALL"])),
        Example("drops more and adds NET_BIND_SERVICE", _with(drop=["KILL", "ALL"], add=["NET_BIND_SERVICE"])),
        Example("on Windows", {"os": {"name": "windows"}}),
    ),
    bad=(
        Example("nothing set", finds=(_DROP,)),
        Example("drops some", _with(drop=["NET_RAW"]), finds=(_DROP,)),
        Example("drops all in lower case", _with(drop=["all"]), finds=(_DROP,)),
        Example("adds CHOWN", _with(drop=["ALL"], add=["NET_BIND_SERVICE", "CHOWN"]), finds=(_ADD,)),
        Example("both", _with(add=["SYS_ADMIN"]), finds=(_DROP, _ADD)),
        Example("on Windows before v1.25", {"os": {"name": "windows"}}, finds=(_DROP,), version="v1.24"),
        Example("on Linux by name", {"os": {"name": "linux"}}, finds=(_DROP,)),
    ),
    psa_id="capabilities_restricted",
)

"""Without no_new_privs a set-user-ID program in the image turns an ordinary user into root.

`allowPrivilegeEscalation: false` sets the kernel's no_new_privs flag, after which no exec can gain privileges.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod
from app.core.version import Level

ID = "allow-privilege-escalation"


def find(pod: Pod) -> Iterator[Finding]:
    """Find containers that do not set `allowPrivilegeEscalation: false`."""
    for container in pod.containers:
        context = container.security_context
        value = None if context is None else context.allow_privilege_escalation
        if value is not False:
            yield Finding(
                ID,
                pod.at(container, "securityContext.allowPrivilegeEscalation"),
                shown(value),
                "be false",
                "allowPrivilegeEscalation: false",
                container=container.name or "",
            )


def find_but_on_windows(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for Windows pods, which cannot set the field."""
    return iter(()) if pod.on_windows else find(pod)


_PATH = "spec.containers[0].securityContext.allowPrivilegeEscalation"
_FALSE = {"name": "app", "securityContext": {"allowPrivilegeEscalation": False}}

CHECK = Check(
    id=ID,
    title="Privilege escalation",
    level=Level.RESTRICTED,
    severity=Severity.MEDIUM,
    layer=Layer.ISOLATION,
    why=__doc__,
    versions=(Since("v1.8", find), Since("v1.25", find_but_on_windows)),
    fields=(
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.allowPrivilegeEscalation",
        "spec.os.name",
    ),
    fix="Set allowPrivilegeEscalation to false in every container.",
    references=("PSS restricted: Privilege Escalation", "CIS Kubernetes 5.2.6", "MITRE T1548"),
    good=(
        Example("false", {"containers": [_FALSE]}),
        Example("on Windows", {"os": {"name": "windows"}}),
        Example("before v1.8", version="v1.7"),
    ),
    bad=(
        Example("nothing set", finds=(_PATH,)),
        Example("empty", {"containers": [{"name": "app", "securityContext": {}}]}, finds=(_PATH,)),
        Example(
            "true",
            {"containers": [{"name": "app", "securityContext": {"allowPrivilegeEscalation": True}}]},
            finds=(_PATH,),
        ),
        Example(
            "init container only",
            {"initContainers": [{"name": "setup"}], "containers": [_FALSE]},
            finds=("spec.initContainers[0].securityContext.allowPrivilegeEscalation",),
            version="v1.8",
        ),
        Example("on Windows before v1.25", {"os": {"name": "windows"}}, finds=(_PATH,), version="v1.24"),
    ),
    psa_id="allowPrivilegeEscalation",
)

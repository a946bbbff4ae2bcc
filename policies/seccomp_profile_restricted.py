"""Kubernetes runs a pod without any seccomp profile unless it asks for one, with every system call open to it.

The runtime's default profile costs nothing and closes those that exploits of the kernel use.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.seccomp import CONFINED, unconfined
from app.core.version import Level

ID = "seccomp-profile-restricted"


def find(pod: Pod) -> Iterator[Finding]:
    """Find profiles other than RuntimeDefault and Localhost, and containers for which none is set."""
    yield from unconfined(pod, ID)
    own = pod.spec.security_context
    if own is not None and own.seccomp_profile is not None and own.seccomp_profile.type in CONFINED:
        return
    for container in pod.containers:
        context = container.security_context
        if context is None or context.seccomp_profile is None:
            yield Finding(
                ID,
                pod.at(container, "securityContext.seccompProfile.type"),
                "not set",
                "be RuntimeDefault or Localhost, here or for the pod",
                "seccompProfile: {type: RuntimeDefault}",
                container=container.name or "",
            )


def find_but_on_windows(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for Windows pods, which have no seccomp."""
    return iter(()) if pod.on_windows else find(pod)


_DEFAULT = {"seccompProfile": {"type": "RuntimeDefault"}}
_UNCONFINED = {"seccompProfile": {"type": "Unconfined"}}
_PATH = "spec.containers[0].securityContext.seccompProfile.type"

CHECK = Check(
    id=ID,
    title="Seccomp, required",
    level=Level.RESTRICTED,
    severity=Severity.MEDIUM,
    layer=Layer.SECCOMP,
    why=__doc__,
    versions=(
        Since("v1.19", find, overrides=("seccomp-profile-baseline",)),
        Since("v1.25", find_but_on_windows, overrides=("seccomp-profile-baseline",)),
    ),
    fields=(
        "spec.securityContext.seccompProfile.type",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.seccompProfile.type",
        "spec.os.name",
    ),
    fix="Set seccompProfile type RuntimeDefault once, in the pod's securityContext.",
    references=("PSS restricted: Seccomp", "KEP-135", "CIS Kubernetes 5.7.2"),
    good=(
        Example("for the pod", {"securityContext": _DEFAULT}),
        Example("for each container", {"containers": [{"name": "app", "securityContext": _DEFAULT}]}),
        Example("Localhost", {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a"}}}),
        Example("on Windows", {"os": {"name": "windows"}}),
    ),
    bad=(
        Example("nothing set", finds=(_PATH,), version="v1.19"),
        Example(
            "set for one of two",
            {"containers": [{"name": "app", "securityContext": _DEFAULT}, {"name": "agent", "securityContext": {}}]},
            finds=("spec.containers[1].securityContext.seccompProfile.type",),
        ),
        Example(
            "container opts out",
            {"securityContext": _DEFAULT, "containers": [{"name": "app", "securityContext": _UNCONFINED}]},
            finds=(_PATH,),
        ),
        Example(
            "pod opts out",
            {"securityContext": _UNCONFINED, "containers": [{"name": "app", "securityContext": _DEFAULT}]},
            finds=("spec.securityContext.seccompProfile.type",),
        ),
        Example(
            "pod opts out for all",
            {"securityContext": _UNCONFINED},
            finds=("spec.securityContext.seccompProfile.type", _PATH),
        ),
        Example("on Windows before v1.25", {"os": {"name": "windows"}}, finds=(_PATH,), version="v1.24"),
    ),
    psa_id="seccompProfile_restricted",
)

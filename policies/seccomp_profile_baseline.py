"""The runtime's seccomp profile closes system calls that containers do not need and exploits of the kernel do.

`Unconfined` opens all of them again.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod
from app.core.seccomp import unconfined
from app.core.version import Level

ID = "seccomp-profile-baseline"
POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
"""Followed by a container's name."""


def find_annotations(pod: Pod) -> Iterator[Finding]:
    """Find profiles that annotations set, as before v1.19: other than the default ones and localhost's."""
    if not pod.annotations:
        return
    owners = {POD_ANNOTATION: ""}
    owners |= {f"{CONTAINER_ANNOTATION}{container.name or ''}": container.name or "" for container in pod.containers}
    for key, owner in owners.items():
        value = pod.annotations.get(key, "runtime/default")
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/"):
            yield Finding(
                ID,
                pod.annotation(key),
                shown(value),
                "be runtime/default, docker/default, localhost/* or unset",
                f"{key}: runtime/default",
                container=owner,
            )


def find(pod: Pod) -> Iterator[Finding]:
    """Find profiles other than RuntimeDefault and Localhost; none set is fine."""
    return unconfined(pod, ID)


_UNCONFINED = {"seccompProfile": {"type": "Unconfined"}}

CHECK = Check(
    id=ID,
    title="Seccomp",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.SECCOMP,
    why=__doc__,
    versions=(Since("v1.0", find_annotations), Since("v1.19", find)),
    fields=(
        "spec.securityContext.seccompProfile.type",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.seccompProfile.type",
        f"metadata.annotations[{POD_ANNOTATION}]",
        f"metadata.annotations[{CONTAINER_ANNOTATION}*]",
    ),
    fix="Use RuntimeDefault, or a profile of your own by Localhost.",
    references=("PSS baseline: Seccomp", "KEP-135", "CIS Kubernetes 5.7.2"),
    good=(
        Example("not set"),
        Example("RuntimeDefault", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
        Example("Localhost", {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a"}}}),
        Example("annotations mean nothing from v1.19 on", annotations={POD_ANNOTATION: "unconfined"}, version="v1.19"),
        Example("fields mean nothing before v1.19", {"securityContext": _UNCONFINED}, version="v1.18"),
        Example(
            "annotations before v1.19",
            annotations={
                POD_ANNOTATION: "docker/default",
                f"{CONTAINER_ANNOTATION}app": "localhost/web",
                f"{CONTAINER_ANNOTATION}nobody": "unconfined",
            },
            version="v1.0",
        ),
    ),
    bad=(
        Example(
            "Unconfined",
            {"securityContext": _UNCONFINED, "containers": [{"name": "app", "securityContext": _UNCONFINED}]},
            finds=(
                "spec.securityContext.seccompProfile.type",
                "spec.containers[0].securityContext.seccompProfile.type",
            ),
        ),
        Example(
            "no type",
            {"securityContext": {"seccompProfile": {}}},
            finds=("spec.securityContext.seccompProfile.type",),
            version="v1.19",
        ),
        Example(
            "unconfined by annotation before v1.19",
            annotations={POD_ANNOTATION: "unconfined", f"{CONTAINER_ANNOTATION}app": ""},
            finds=(
                f"metadata.annotations[{POD_ANNOTATION}]",
                f"metadata.annotations[{CONTAINER_ANNOTATION}app]",
            ),
            version="v1.18",
        ),
    ),
    psa_id="seccompProfile_baseline",
)

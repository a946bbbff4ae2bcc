"""UID 0 in a container is UID 0 of the node's kernel: files it reaches by a mount or an escape are root's to change.

From v1.35 on, a pod in a user namespace may use it, since that is an ordinary user of the node.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "run-as-user"


def find(pod: Pod) -> Iterator[Finding]:
    """Find `runAsUser: 0`, for the pod or a container."""
    for container, context in pod.contexts:
        if context.run_as_user == 0:
            yield Finding(
                ID,
                pod.at(container, "securityContext.runAsUser"),
                "0",
                "be another UID or unset",
                "runAsUser: 65532",
                container=name_of(container),
            )


def find_but_in_user_namespace(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for pods with `hostUsers: false`."""
    return iter(()) if pod.own_users else find(pod)


_ROOT = {"securityContext": {"runAsUser": 0}}

CHECK = Check(
    id=ID,
    title="Running as a non-root user",
    level=Level.RESTRICTED,
    severity=Severity.HIGH,
    layer=Layer.USERS,
    why=__doc__,
    versions=(Since("v1.23", find), Since("v1.35", find_but_in_user_namespace)),
    fields=(
        "spec.securityContext.runAsUser",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.runAsUser",
        "spec.hostUsers",
    ),
    fix="Remove runAsUser: 0, or use the UID that the image is made for.",
    references=("PSS restricted: Running as Non-root user", "CIS Kubernetes 5.2.7", "KEP-127"),
    good=(
        Example("not set"),
        Example("another UID", {"securityContext": {"runAsUser": 1}}),
        Example("in a user namespace", {**_ROOT, "hostUsers": False}),
        Example("before v1.23", _ROOT, version="v1.22"),
    ),
    bad=(
        Example("pod", _ROOT, finds=("spec.securityContext.runAsUser",)),
        Example(
            "container",
            {"containers": [{"name": "app", **_ROOT}]},
            finds=("spec.containers[0].securityContext.runAsUser",),
            version="v1.23",
        ),
        Example("with the host's users", {**_ROOT, "hostUsers": True}, finds=("spec.securityContext.runAsUser",)),
        Example(
            "in a user namespace before v1.35",
            {**_ROOT, "hostUsers": False},
            finds=("spec.securityContext.runAsUser",),
            version="v1.34",
        ),
    ),
    psa_id="runAsUser",
)

"""Root in a container is root on the node as soon as anything between them fails.

`runAsNonRoot: true` makes the kubelet refuse an image that would start as UID 0. From v1.35 on, a pod in a user
namespace may run as root, since that is an ordinary user of the node.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "run-as-non-root"


def find(pod: Pod) -> Iterator[Finding]:
    """Find `runAsNonRoot: false`, and containers for which nothing sets it to true."""
    for container, context in pod.contexts:
        if context.run_as_non_root is False:
            yield _finding(pod.at(container, "securityContext.runAsNonRoot"), "be true", "false", name_of(container))
    own = pod.spec.security_context
    if own is not None and own.run_as_non_root is not None:
        return
    for member in pod.containers:
        context_of = member.security_context
        if context_of is None or context_of.run_as_non_root is None:
            yield _finding(
                pod.at(member, "securityContext.runAsNonRoot"),
                "be true, here or for the pod",
                "not set",
                member.name or "",
            )


def _finding(path: str, expected: str, value: str, container: str) -> Finding:
    return Finding(ID, path, value, expected, "runAsNonRoot: true", container=container)


def find_but_in_user_namespace(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for pods with `hostUsers: false`."""
    return iter(()) if pod.own_users else find(pod)


_PATH = "spec.containers[0].securityContext.runAsNonRoot"
_TRUE = {"runAsNonRoot": True}
_FALSE = {"runAsNonRoot": False}

CHECK = Check(
    id=ID,
    title="Running as non-root",
    level=Level.RESTRICTED,
    severity=Severity.HIGH,
    layer=Layer.USERS,
    why=__doc__,
    versions=(Since("v1.0", find), Since("v1.35", find_but_in_user_namespace)),
    fields=(
        "spec.securityContext.runAsNonRoot",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.runAsNonRoot",
        "spec.hostUsers",
    ),
    fix="Set runAsNonRoot to true in the pod's securityContext, and a numeric USER in the image.",
    references=("PSS restricted: Running as Non-root", "CIS Kubernetes 5.2.7", "KEP-127"),
    good=(
        Example("for the pod", {"securityContext": _TRUE}),
        Example("for each container", {"containers": [{"name": "app", "securityContext": _TRUE}]}),
        Example("in a user namespace", {"hostUsers": False}),
    ),
    bad=(
        Example("nothing set", finds=(_PATH,)),
        Example("pod false", {"securityContext": _FALSE}, finds=("spec.securityContext.runAsNonRoot",)),
        Example(
            "pod false, container true",
            {"securityContext": _FALSE, "containers": [{"name": "app", "securityContext": _TRUE}]},
            finds=("spec.securityContext.runAsNonRoot",),
        ),
        Example(
            "container opts out",
            {"securityContext": _TRUE, "containers": [{"name": "app", "securityContext": _FALSE}]},
            finds=(_PATH,),
        ),
        Example(
            "one false, one not set",
            {"containers": [{"name": "app", "securityContext": {}}, {"name": "agent", "securityContext": _FALSE}]},
            finds=("spec.containers[1].securityContext.runAsNonRoot", _PATH),
        ),
        Example("in a user namespace before v1.35", {"hostUsers": False}, finds=(_PATH,), version="v1.34"),
    ),
    psa_id="runAsNonRoot",
)

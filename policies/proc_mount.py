"""The runtime masks parts of /proc; an unmasked one shows and sets the kernel's state: keys, timers, memory maps.

From v1.35 on, a pod in a user namespace may unmask it, since root there is not root on the node.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.proc import unmasked
from app.core.version import Level

ID = "proc-mount"


def find(pod: Pod) -> Iterator[Finding]:
    """Find containers with a `procMount` other than Default."""
    return unmasked(pod, ID)


def find_but_in_user_namespace(pod: Pod) -> Iterator[Finding]:
    """Find the same, but for pods with `hostUsers: false`."""
    return iter(()) if pod.own_users else unmasked(pod, ID)


_PATH = "spec.containers[0].securityContext.procMount"


def _mount(value: str) -> dict[str, object]:
    return {"containers": [{"name": "app", "securityContext": {"procMount": value}}]}


CHECK = Check(
    id=ID,
    title="/proc mount type",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.FILESYSTEM,
    why=__doc__,
    versions=(Since("v1.0", find), Since("v1.35", find_but_in_user_namespace)),
    fields=("spec.{containers,initContainers,ephemeralContainers}[*].securityContext.procMount", "spec.hostUsers"),
    fix="Leave procMount out; a program that needs an unmasked /proc can run in a user namespace.",
    references=("PSS baseline: /proc Mount Type", "KEP-4265"),
    good=(
        Example("not set"),
        Example("Default", _mount("Default")),
        Example("in a user namespace", {**_mount("Unmasked"), "hostUsers": False}),
    ),
    bad=(
        Example("Unmasked", _mount("Unmasked"), finds=(_PATH,)),
        Example("empty", _mount(""), finds=(_PATH,)),
        Example("with the host's users", {**_mount("Unmasked"), "hostUsers": True}, finds=(_PATH,)),
        Example("before v1.35", {**_mount("Unmasked"), "hostUsers": False}, finds=(_PATH,), version="v1.34"),
    ),
    psa_id="procMount",
)

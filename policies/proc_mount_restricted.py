"""The runtime masks parts of /proc, and nothing that runs under the restricted level needs them unmasked.

Up to v1.34 the baseline check already says so; from v1.35 on that one makes way for user namespaces, and this does not.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.proc import unmasked
from app.core.version import Level

ID = "proc-mount-restricted"


def find(pod: Pod) -> Iterator[Finding]:
    """Find containers with a `procMount` other than Default."""
    return unmasked(pod, ID)


_UNMASKED = {"containers": [{"name": "app", "securityContext": {"procMount": "Unmasked"}}]}

CHECK = Check(
    id=ID,
    title="/proc mount type, also in user namespaces",
    level=Level.RESTRICTED,
    severity=Severity.MEDIUM,
    layer=Layer.FILESYSTEM,
    why=__doc__,
    versions=(Since("v1.35", find, overrides=("proc-mount",)),),
    fields=("spec.{containers,initContainers,ephemeralContainers}[*].securityContext.procMount",),
    fix="Leave procMount out.",
    references=("PSS restricted: /proc Mount Type", "KEP-4265"),
    good=(
        Example("not set"),
        Example("Default", {"containers": [{"name": "app", "securityContext": {"procMount": "Default"}}]}),
        Example("before v1.35 it is the baseline check's", _UNMASKED, version="v1.34"),
    ),
    bad=(
        Example("Unmasked", _UNMASKED, finds=("spec.containers[0].securityContext.procMount",)),
        Example(
            "in a user namespace",
            {**_UNMASKED, "hostUsers": False},
            finds=("spec.containers[0].securityContext.procMount",),
            version="v1.35",
        ),
    ),
    psa_id="procMount_restricted",
)

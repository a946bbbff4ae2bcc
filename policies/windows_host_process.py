"""A Windows HostProcess container runs on the node itself, with the node's file system and network."""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "windows-host-process"


def find(pod: Pod) -> Iterator[Finding]:
    """Find `hostProcess: true`, for the pod or a container."""
    for container, context in pod.contexts:
        if context.windows_options is not None and context.windows_options.host_process:
            yield Finding(
                ID,
                pod.at(container, "securityContext.windowsOptions.hostProcess"),
                "true",
                "be false or unset",
                "hostProcess: false",
                container=name_of(container),
            )


_TRUE = {"windowsOptions": {"hostProcess": True}}

CHECK = Check(
    id=ID,
    title="HostProcess",
    level=Level.BASELINE,
    severity=Severity.CRITICAL,
    layer=Layer.ISOLATION,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=(
        "spec.securityContext.windowsOptions.hostProcess",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.windowsOptions.hostProcess",
    ),
    fix="Leave hostProcess out, or run the program on the node outside Kubernetes.",
    references=("PSS baseline: HostProcess", "CIS Kubernetes 5.2.11", "KEP-1981"),
    good=(
        Example("not set"),
        Example("false", {"securityContext": {"windowsOptions": {"hostProcess": False}}}),
        Example("other options", {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}}),
    ),
    bad=(
        Example("pod", {"securityContext": _TRUE}, finds=("spec.securityContext.windowsOptions.hostProcess",)),
        Example(
            "container",
            {"containers": [{"name": "app", "securityContext": _TRUE}]},
            finds=("spec.containers[0].securityContext.windowsOptions.hostProcess",),
        ),
    ),
    psa_id="windowsHostProcess",
)

"""A probe or hook with a host makes the kubelet call any address for the pod's author, from the node's network.

That reaches services which the pod itself cannot: the cloud's metadata service, or what listens on the node's loopback.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of
from app.core.version import Level
from app.core.wire import Container, LifecycleHandler, Probe

ID = "host-probes-and-lifecycle"


def _handlers(container: Container) -> Iterator[tuple[str, Probe | LifecycleHandler | None]]:
    yield "livenessProbe", container.liveness_probe
    yield "readinessProbe", container.readiness_probe
    yield "startupProbe", container.startup_probe
    lifecycle = container.lifecycle
    if lifecycle is not None:
        yield "lifecycle.postStart", lifecycle.post_start
        yield "lifecycle.preStop", lifecycle.pre_stop


def find(pod: Pod) -> Iterator[Finding]:
    """Find probes and lifecycle hooks that name a host."""
    for container in pod.containers:
        for field, handler in _handlers(container):
            if handler is None:
                continue
            for action, target in (("httpGet", handler.http_get), ("tcpSocket", handler.tcp_socket)):
                if target is not None and target.host:
                    yield Finding(
                        ID,
                        pod.at(container, f"{field}.{action}.host"),
                        shown(target.host),
                        "be empty or unset, which means the pod itself",
                        'host: ""',
                        container=name_of(container),
                    )


_HTTP = {"httpGet": {"path": "/", "port": 80, "host": "169.254.169.254"}}
_TCP = {"tcpSocket": {"port": 22, "host": "127.0.0.1"}}

CHECK = Check(
    id=ID,
    title="Host in probes and lifecycle hooks",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.HOST,
    why=__doc__,
    versions=(Since("v1.34", find),),
    fields=tuple(
        f"spec.{{containers,initContainers,ephemeralContainers}}[*].{handler}.{action}.host"
        for handler in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
        for action in ("httpGet", "tcpSocket")
    ),
    fix="Leave host out: the kubelet then calls the pod's own address.",
    references=("PSS baseline: Host Probes / Lifecycle Hooks",),
    good=(
        Example(
            "no host",
            {
                "containers": [
                    {
                        "name": "app",
                        "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
                        "readinessProbe": {"tcpSocket": {"port": 80, "host": ""}},
                        "startupProbe": {"exec": {"command": ["true"]}},
                        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                    }
                ]
            },
        ),
        Example("before v1.34", {"containers": [{"name": "app", "livenessProbe": _HTTP}]}, version="v1.33"),
    ),
    bad=(
        Example(
            "every probe",
            {
                "containers": [
                    {"name": "app", "livenessProbe": _HTTP, "readinessProbe": _TCP, "startupProbe": {**_HTTP, **_TCP}}
                ]
            },
            finds=(
                "spec.containers[0].livenessProbe.httpGet.host",
                "spec.containers[0].readinessProbe.tcpSocket.host",
                "spec.containers[0].startupProbe.httpGet.host",
                "spec.containers[0].startupProbe.tcpSocket.host",
            ),
        ),
        Example(
            "both hooks of a sidecar",
            {
                "initContainers": [
                    {"name": "proxy", "restartPolicy": "Always", "lifecycle": {"postStart": _HTTP, "preStop": _TCP}}
                ]
            },
            finds=(
                "spec.initContainers[0].lifecycle.postStart.httpGet.host",
                "spec.initContainers[0].lifecycle.preStop.tcpSocket.host",
            ),
            version="v1.34",
        ),
    ),
    psa_id="hostProbesAndHostLifecycle",
)

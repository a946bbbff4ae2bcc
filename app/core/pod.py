"""The pod under judgement: a pod, or the pod template of a controller, with the paths of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.core.objects import ObjectMeta
from app.core.wire import Container, PodSecurityContext, PodSpec, SecurityContext, Volume

_NO_METADATA: Final = ObjectMeta()
_NO_SPEC: Final = PodSpec()
_NO_VOLUMES: Final[list[Volume]] = []
_NO_ANNOTATIONS: Final[Mapping[str, str]] = {}


class Pod:
    """What every check reads. Iterate containers only through it, so that no check forgets a kind of container."""

    __slots__ = (
        "_metadata",
        "_owner",
        "_places",
        "annotations",
        "containers",
        "contexts",
        "on_windows",
        "own_users",
        "prefix",
        "spec",
        "volumes",
    )

    spec: PodSpec
    prefix: str
    """What stands before the pod's fields in the object that was sent: empty, or such as `spec.template.`."""
    annotations: Mapping[str, str]
    """Of the pod, or of the template."""
    containers: list[Container]
    """Init containers, with sidecars among them, then containers, then ephemeral containers."""
    contexts: list[tuple[Container | None, PodSecurityContext | SecurityContext]]
    """Every security context that is set, with its container; the pod's own comes first, with None."""
    volumes: list[Volume]
    on_windows: bool
    """`spec.os.name` is windows."""
    own_users: bool
    """The pod runs in a user namespace: `spec.hostUsers` is false (KEP-127)."""

    def __init__(
        self, metadata: ObjectMeta | None, spec: PodSpec | None, prefix: str = "", owner: ObjectMeta | None = None
    ) -> None:
        """Look at decoded metadata and spec; both may be absent, as they may in a template.

        `owner` is the metadata of the object that the template is in.
        """
        if spec is None:
            spec = _NO_SPEC
        self.spec = spec
        self.prefix = prefix
        self._metadata = metadata
        self._owner = owner
        self._places: dict[int, str] | None = None
        self.annotations = (metadata or _NO_METADATA).annotations or _NO_ANNOTATIONS
        self.volumes = spec.volumes or _NO_VOLUMES
        containers = [*(spec.init_containers or ()), *(spec.containers or ()), *(spec.ephemeral_containers or ())]
        self.containers = containers
        contexts: list[tuple[Container | None, PodSecurityContext | SecurityContext]] = []
        if spec.security_context is not None:
            contexts.append((None, spec.security_context))
        for container in containers:
            if container.security_context is not None:
                contexts.append((container, container.security_context))  # noqa: PERF401 - a comprehension is slower here
        self.contexts = contexts
        self.on_windows = spec.os is not None and spec.os.name == "windows"
        self.own_users = spec.host_users is False

    @property
    def labels(self) -> list[Mapping[str, str]]:
        """Labels of the pod or template, and of the object that it is in: who selects by labels sees both."""
        both = [one.labels or _NO_ANNOTATIONS for one in (self._metadata, self._owner) if one is not None]
        return both or [_NO_ANNOTATIONS]

    def at(self, container: Container | None, field: str) -> str:
        """Path of a field of a container, or of the pod's spec where there is no container."""
        if container is None:
            return f"{self.prefix}spec.{field}"
        if self._places is None:
            self._places = self._index()
        return f"{self._places[id(container)]}.{field}"

    def _index(self) -> dict[int, str]:
        """Paths of all containers; only made for a pod that breaks a rule, and once: pods may have very many."""
        spec, prefix = self.spec, self.prefix
        return {
            id(container): f"{prefix}spec.{kind}[{index}]"
            for kind, members in (
                ("initContainers", spec.init_containers),
                ("containers", spec.containers),
                ("ephemeralContainers", spec.ephemeral_containers),
            )
            for index, container in enumerate(members or ())
        }

    def annotation(self, key: str) -> str:
        """Path of an annotation."""
        return f"{self.prefix}metadata.annotations[{key}]"

    def volume(self, index: int, field: str) -> str:
        """Path of a field of the volume with that index."""
        return f"{self.prefix}spec.volumes[{index}].{field}"


def name_of(container: Container | None) -> str:
    """Name of a container for a finding; empty for the pod itself."""
    return "" if container is None else container.name or ""

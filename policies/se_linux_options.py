"""SELinux labels keep a container's processes apart from the node's and from other containers'.

A custom type, user or role can name one without those limits, such as spc_t.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "se-linux-options"
TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
TYPES_WITH_ENGINE = TYPES | {"container_engine_t"}


def _find(pod: Pod, types: frozenset[str]) -> Iterator[Finding]:
    for container, context in pod.contexts:
        options = context.se_linux_options
        if options is None:
            continue
        if options.type is not None and options.type not in types:
            yield Finding(
                ID,
                pod.at(container, "securityContext.seLinuxOptions.type"),
                shown(options.type),
                f"be unset or one of {', '.join(sorted(types - {''}))}",
                "type: container_t",
                container=name_of(container),
            )
        for field, value in (("user", options.user), ("role", options.role)):
            if value:
                yield Finding(
                    ID,
                    pod.at(container, f"securityContext.seLinuxOptions.{field}"),
                    shown(value),
                    "be empty or unset",
                    f'{field}: ""',
                    container=name_of(container),
                )


def find(pod: Pod) -> Iterator[Finding]:
    """Find a user, a role, or a type other than the three of containers."""
    return _find(pod, TYPES)


def find_but_engine(pod: Pod) -> Iterator[Finding]:
    """Find the same, but allow container_engine_t, made for container engines inside containers."""
    return _find(pod, TYPES_WITH_ENGINE)


def _options(**options: str) -> dict[str, object]:
    return {"containers": [{"name": "app", "securityContext": {"seLinuxOptions": options}}]}


_PATH = "spec.containers[0].securityContext.seLinuxOptions"

CHECK = Check(
    id=ID,
    title="SELinux",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.MANDATORY_ACCESS,
    why=__doc__,
    versions=(Since("v1.0", find), Since("v1.31", find_but_engine)),
    fields=tuple(
        f"{owner}.securityContext.seLinuxOptions.{field}"
        for owner in ("spec", "spec.{containers,initContainers,ephemeralContainers}[*]")
        for field in ("type", "user", "role")
    ),
    fix="Leave type, user and role out; level may stay.",
    references=("PSS baseline: SELinux", "NIST SP 800-190 4.4.3"),
    good=(
        Example("not set"),
        Example("level only", _options(level="s0:c123,c456")),
        Example("empty strings", _options(type="", user="", role="")),
        *(Example(name, _options(type=name), version="v1.0") for name in sorted(TYPES - {""})),
        Example("container_engine_t", _options(type="container_engine_t"), version="v1.31"),
    ),
    bad=(
        Example("custom type", _options(type="spc_t"), finds=(f"{_PATH}.type",)),
        Example("user and role", _options(user="u", role="r"), finds=(f"{_PATH}.user", f"{_PATH}.role")),
        Example(
            "pod",
            {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
            finds=("spec.securityContext.seLinuxOptions.type",),
        ),
        Example(
            "container_engine_t before v1.31",
            _options(type="container_engine_t"),
            finds=(f"{_PATH}.type",),
            version="v1.30",
        ),
    ),
    psa_id="seLinuxOptions",
)

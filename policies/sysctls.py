"""A sysctl that is not namespaced, or not isolated from other pods, changes the kernel for everyone on the node."""

from collections.abc import Iterator

from app.core.check import Check, Example, Find, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod
from app.core.version import Level

ID = "sysctls"
SAFE = (
    (
        "v1.0",
        (
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "net.ipv4.tcp_syncookies",
        ),
    ),
    ("v1.27", ("net.ipv4.ip_local_reserved_ports",)),
    (
        "v1.29",
        (
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_time",
        ),
    ),
    ("v1.32", ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")),
    ("v1.37", ("net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle")),
)
"""Safe sysctls, by the version that added them."""


def _finder(safe: frozenset[str]) -> Find:
    def find(pod: Pod) -> Iterator[Finding]:
        """Find sysctls that are not in the safe set of this version."""
        context = pod.spec.security_context
        if context is not None and context.sysctls:
            for index, sysctl in enumerate(context.sysctls):
                if sysctl.name not in safe:
                    yield Finding(
                        ID,
                        pod.at(None, f"securityContext.sysctls[{index}].name"),
                        shown(sysctl.name),
                        f"be one of the {len(safe)} safe sysctls",
                        "remove this sysctl, or set it on the node",
                    )

    return find


def _versions() -> Iterator[Since]:
    safe: frozenset[str] = frozenset()
    for version, added in SAFE:
        safe = safe.union(added)
        yield Since(version, _finder(safe))


def _set(name: str) -> dict[str, object]:
    return {"securityContext": {"sysctls": [{"name": name, "value": "1"}]}}


_PATH = "spec.securityContext.sysctls[0].name"

CHECK = Check(
    id=ID,
    title="Sysctls",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.HOST,
    why=__doc__,
    versions=tuple(_versions()),
    fields=("spec.securityContext.sysctls[*].name",),
    fix="Remove the sysctl; what the node's administrator agrees to is set on the node.",
    references=("PSS baseline: Sysctls",),
    good=(
        Example("none"),
        *(Example(f"{name} from {since} on", _set(name), version=since) for since, names in SAFE for name in names),
    ),
    bad=(
        Example("unsafe", _set("kernel.msgmax"), finds=(_PATH,)),
        Example("without a name", {"securityContext": {"sysctls": [{"value": "1"}]}}, finds=(_PATH,)),
        Example(
            "the second of two",
            {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced"}, {"name": "kernel.sem"}]}},
            finds=("spec.securityContext.sysctls[1].name",),
        ),
        *(
            Example(f"{name} before {since}", _set(name), finds=(_PATH,), version=f"v1.{int(since[3:]) - 1}")
            for since, names in SAFE[1:]
            for name in names
        ),
    ),
    psa_id="sysctls",
)

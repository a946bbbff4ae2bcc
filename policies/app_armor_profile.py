"""The default AppArmor profile keeps a container from mounting, from ptrace and from most of /proc and /sys.

Turning it off (Unconfined) takes away the second lock behind a bug in the runtime or the kernel.
"""

from collections.abc import Iterator

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of
from app.core.version import Level

ID = "app-armor-profile"
ALLOWED = frozenset({"RuntimeDefault", "Localhost"})
ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
"""Followed by a container's name: how the profile was set before v1.30."""


def find(pod: Pod) -> Iterator[Finding]:
    """Find profiles other than RuntimeDefault and Localhost, in fields and in annotations."""
    for container, context in pod.contexts:
        profile = context.app_armor_profile
        if profile is not None and profile.type not in ALLOWED:
            yield Finding(
                ID,
                pod.at(container, "securityContext.appArmorProfile.type"),
                shown(profile.type),
                "be RuntimeDefault, Localhost or the profile unset",
                "type: RuntimeDefault",
                container=name_of(container),
            )
    for key in sorted([key for key in pod.annotations if key.startswith(ANNOTATION)]):
        value = pod.annotations[key]
        if value not in ("", "runtime/default") and not value.startswith("localhost/"):
            yield Finding(
                ID,
                pod.annotation(key),
                shown(value),
                "be runtime/default, localhost/* or unset",
                f"{key}: runtime/default",
                container=key.removeprefix(ANNOTATION),
            )


CHECK = Check(
    id=ID,
    title="AppArmor",
    level=Level.BASELINE,
    severity=Severity.MEDIUM,
    layer=Layer.MANDATORY_ACCESS,
    why=__doc__,
    versions=(Since("v1.0", find),),
    fields=(
        "spec.securityContext.appArmorProfile.type",
        "spec.{containers,initContainers,ephemeralContainers}[*].securityContext.appArmorProfile.type",
        f"metadata.annotations[{ANNOTATION}*]",
    ),
    fix="Use the runtime's default profile, or load a narrower one on the nodes and name it with Localhost.",
    references=("PSS baseline: AppArmor", "KEP-24", "NIST SP 800-190 4.4.3"),
    good=(
        Example("not set"),
        Example("RuntimeDefault", {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}),
        Example(
            "Localhost",
            {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "web"}}},
            annotations={f"{ANNOTATION}app": "localhost/web", "note": "unconfined"},
        ),
        Example("default by annotation", annotations={f"{ANNOTATION}app": "runtime/default", f"{ANNOTATION}b": ""}),
    ),
    bad=(
        Example(
            "Unconfined",
            {
                "securityContext": {"appArmorProfile": {"type": "Unconfined"}},
                "containers": [{"name": "app", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}],
            },
            finds=(
                "spec.securityContext.appArmorProfile.type",
                "spec.containers[0].securityContext.appArmorProfile.type",
            ),
        ),
        Example(
            "no type",
            {"securityContext": {"appArmorProfile": {}}},
            finds=("spec.securityContext.appArmorProfile.type",),
        ),
        Example(
            "unconfined by annotation",
            annotations={f"{ANNOTATION}b": "unconfined", f"{ANNOTATION}a": "runtime/defaults"},
            finds=(f"metadata.annotations[{ANNOTATION}a]", f"metadata.annotations[{ANNOTATION}b]"),
        ),
    ),
    psa_id="appArmorProfile",
)

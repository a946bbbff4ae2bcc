"""Volume types that reach past the pod's own data: the node's disk, or storage with credentials of the node.

What the kinds of volume here allow is made for the pod, or was granted to its namespace by an administrator.
"""

from collections.abc import Iterator

import msgspec

from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.version import Level
from app.core.wire import Volume, present

ID = "restricted-volumes"
ALLOWED = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
REFUSED = tuple(
    field.encode_name for field in msgspec.structs.fields(Volume) if field.encode_name not in ("name", *ALLOWED)
)
_ATTRIBUTES = {field.encode_name: field.name for field in msgspec.structs.fields(Volume)}


def _allowed(volume: Volume) -> bool:
    return (
        present(volume.config_map)
        or present(volume.empty_dir)
        or present(volume.projected)
        or present(volume.secret)
        or present(volume.persistent_volume_claim)
        or present(volume.csi)
        or present(volume.downward_api)
        or present(volume.ephemeral)
        or present(volume.image)
    )


def find(pod: Pod) -> Iterator[Finding]:
    """Find volumes of any other type, types unknown to us included."""
    for index, volume in enumerate(pod.volumes):
        if not _allowed(volume):
            kind = next((name for name in REFUSED if present(getattr(volume, _ATTRIBUTES[name]))), "")
            yield Finding(
                ID,
                pod.volume(index, kind) if kind else pod.volume(index, "").rstrip("."),
                "set" if kind else "of an unknown type",
                f"be one of {', '.join(ALLOWED)}",
                "emptyDir: {}",
                volume=volume.name or "",
            )


CHECK = Check(
    id=ID,
    title="Volume types",
    level=Level.RESTRICTED,
    severity=Severity.MEDIUM,
    layer=Layer.FILESYSTEM,
    why=__doc__,
    versions=(Since("v1.0", find, overrides=("host-path-volumes",)),),
    fields=tuple(f"spec.volumes[*].{name}" for name in (*ALLOWED, *REFUSED)),
    fix="Claim the storage with a PersistentVolumeClaim; use emptyDir for scratch space.",
    references=("PSS restricted: Volume Types", "CIS Kubernetes 5.2.12", "NIST SP 800-190 4.4.3"),
    good=(
        Example("none"),
        *(Example(name, {"volumes": [{"name": "data", name: {}}]}) for name in ALLOWED),
    ),
    bad=(
        *(
            Example(name, {"volumes": [{"name": "data", name: {}}]}, finds=(f"spec.volumes[0].{name}",))
            for name in REFUSED
        ),
        Example(
            "a type of a newer API",
            {"volumes": [{"name": "ok", "emptyDir": {}}, {"name": "data", "teleport": {}}]},
            finds=("spec.volumes[1]",),
        ),
        Example("null", {"volumes": [{"name": "data", "emptyDir": None}]}, finds=("spec.volumes[0]",)),
    ),
    psa_id="restrictedVolumes",
)

"""The structs that bytes are decoded into are the types of the Kubernetes API, no field more and none less.

`app.core.decode` takes an encode of the same length for proof that nothing was lost: a field that is missing here would
cost a slow second reading of each object that has it, and one of a wrong type would refuse good objects.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import pytest

from app.core import envelope, objects, wire
from app.core.wire import Wire
from tests.contract.openapi import CORE, META, Schema, definitions, json_tags, properties, resolved

JOB_SPECS: Final = tuple(
    f"io.k8s.api.{name}"
    for name in (
        "core.v1.ReplicationControllerSpec",
        "apps.v1.ReplicaSetSpec",
        "apps.v1.DeploymentSpec",
        "apps.v1.StatefulSetSpec",
        "apps.v1.DaemonSetSpec",
        "batch.v1.JobSpec",
    )
)
TYPES: Final[dict[type[Wire], tuple[str, ...]]] = {
    wire.SELinuxOptions: (f"{CORE}SELinuxOptions",),
    wire.Profile: (f"{CORE}SeccompProfile", f"{CORE}AppArmorProfile"),
    wire.WindowsOptions: (f"{CORE}WindowsSecurityContextOptions",),
    wire.Capabilities: (f"{CORE}Capabilities",),
    wire.SecurityContext: (f"{CORE}SecurityContext",),
    wire.Sysctl: (f"{CORE}Sysctl",),
    wire.PodSecurityContext: (f"{CORE}PodSecurityContext",),
    wire.ContainerPort: (f"{CORE}ContainerPort",),
    wire.HTTPGetAction: (f"{CORE}HTTPGetAction",),
    wire.TCPSocketAction: (f"{CORE}TCPSocketAction",),
    wire.Probe: (f"{CORE}Probe",),
    wire.LifecycleHandler: (f"{CORE}LifecycleHandler",),
    wire.Lifecycle: (f"{CORE}Lifecycle",),
    wire.Container: (f"{CORE}Container", f"{CORE}EphemeralContainer"),
    wire.Volume: (f"{CORE}Volume",),
    wire.PodOS: (f"{CORE}PodOS",),
    wire.PodSpec: (f"{CORE}PodSpec",),
    objects.OwnerReference: (f"{META}OwnerReference",),
    objects.ObjectMeta: (f"{META}ObjectMeta",),
    objects.PodTemplateSpec: (f"{CORE}PodTemplateSpec",),
    objects.PodObject: (f"{CORE}Pod",),
    objects.PodTemplate: (f"{CORE}PodTemplate",),
    objects.WorkloadSpec: JOB_SPECS,
    objects.Workload: tuple(name.removesuffix("Spec") for name in JOB_SPECS),
    objects.JobTemplateSpec: ("io.k8s.api.batch.v1.JobTemplateSpec",),
    objects.CronJobSpec: ("io.k8s.api.batch.v1.CronJobSpec",),
    objects.CronJob: ("io.k8s.api.batch.v1.CronJob",),
    objects.Namespace: (f"{CORE}Namespace",),
}
"""A struct that stands for several types is their union."""

COMMON: Final = frozenset({"status"})
"""`Object` declares it for every kind; PodTemplate has none."""
NOT_IN_OPENAPI: Final = {wire.Wire, objects.Object}


def declared(struct: type[Wire]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def every_struct() -> Iterator[type[Wire]]:
    for module in (wire, objects):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Wire) and value.__module__ == module.__name__:
                yield value


def test_every_struct_is_compared() -> None:
    assert set(every_struct()) - NOT_IN_OPENAPI == set(TYPES)


@pytest.mark.parametrize("struct", TYPES, ids=lambda struct: struct.__name__)
def test_fields_are_those_of_the_api(struct: type[Wire]) -> None:
    api: set[str] = set().union(*(properties(name) for name in TYPES[struct]))
    missing, surplus = api - set(declared(struct)), set(declared(struct)) - api
    assert missing == set(), "fields of the API that the struct would drop"
    assert surplus - (COMMON if issubclass(struct, objects.Object) else set()) == set()


def fits(kind: Any, schema: Schema) -> bool:
    """Whether a Python type decodes what a schema describes; undecoded fields fit anything."""
    target, origin, arguments = resolved(schema), typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (kind,) = set(arguments) - {types.NoneType}
        found = fits(kind, schema)
    elif origin is Annotated:
        bits = {"int32": 31, "int64": 63}.get(target.get("format", ""), 0)
        bounds = (arguments[1].ge, arguments[1].le)
        found = arguments[0] is int and target["type"] == "integer" and bounds == (-(2**bits), 2**bits - 1)
    elif origin is list:
        found = target["type"] == "array" and fits(arguments[0], target["items"])
    elif origin is dict:
        found = (
            target["type"] == "object" and arguments[0] is str and fits(arguments[1], target["additionalProperties"])
        )
    elif issubclass(kind, Wire):
        found = schema.get("$ref", "").removeprefix("#/definitions/") in TYPES[kind]
    else:
        found = kind is msgspec.Raw or {str: "string", bool: "boolean"}[kind] == target.get("type")
    return found


@pytest.mark.parametrize("struct", TYPES, ids=lambda struct: struct.__name__)
def test_types_are_those_of_the_api(struct: type[Wire]) -> None:
    hints = typing.get_type_hints(struct, include_extras=True)
    wrong = [
        f"{name}.{field.encode_name}: {hints[field.name]}"
        for name in TYPES[struct]
        for field in msgspec.structs.fields(struct)
        if field.encode_name in properties(name) and not fits(hints[field.name], properties(name)[field.encode_name])
    ]
    assert wrong == []


def test_a_wrong_type_is_noticed() -> None:
    host_port = properties(f"{CORE}ContainerPort")["hostPort"]
    assert fits(wire.Int32 | None, host_port)
    for wrong in (wire.Int64 | None, str | None, bool | None, list[wire.Int32] | None, wire.Probe | None):
        assert not fits(wrong, host_port)
    containers = properties(f"{CORE}PodSpec")["containers"]
    assert fits(list[wire.Container] | None, containers)
    assert not fits(list[wire.Volume] | None, containers)
    labels = properties(f"{META}ObjectMeta")["labels"]
    assert fits(dict[str, str] | None, labels)
    assert not fits(dict[str, bool] | None, labels)


@pytest.mark.parametrize("struct", list(every_struct()), ids=lambda struct: struct.__name__)
def test_every_field_may_be_absent_and_is_then_not_encoded(struct: type[Wire]) -> None:
    assert msgspec.json.encode(struct()) == b"{}"
    assert msgspec.json.decode(b"{}", type=struct) == struct()


@pytest.mark.parametrize(
    "struct,file,name",
    [
        (envelope.AdmissionReview, "admission/v1/types.go", "AdmissionReview"),
        (envelope.AdmissionRequest, "admission/v1/types.go", "AdmissionRequest"),
        (envelope.UserInfo, "authentication/v1/types.go", "UserInfo"),
    ],
)
def test_the_envelope_is_that_of_the_api(struct: type[Wire], file: str, name: str) -> None:
    found = set(json_tags(file, name)) | ({"apiVersion", "kind"} if name == "AdmissionReview" else set())
    assert found == set(declared(struct))


def test_group_version_kind_and_resource() -> None:
    assert set(declared(envelope.GroupVersionKind)) == {"group", "version", "kind"}
    assert set(declared(envelope.GroupVersionResource)) == {"group", "version", "resource"}


def filled(schema: Schema, depth: int = 0) -> Any:
    """A value with every field of a schema set."""
    target = resolved(schema)
    if depth > 24 or "properties" not in target:
        match target.get("type", "object"):
            case "array":
                return [filled(target["items"], depth + 1)] if depth <= 24 else []
            case "string":
                return "1" if target.get("format") == "int-or-string" else "text"
            case "boolean":
                return True
            case "integer" | "number":
                return 7
            case _:
                return {"key": filled(target["additionalProperties"])} if "additionalProperties" in target else {}
    return {name: filled(member, depth + 1) for name, member in target["properties"].items()}


KINDS: Final = [
    (f"{CORE}Pod", objects.PodObject),
    (f"{CORE}PodTemplate", objects.PodTemplate),
    (f"{CORE}Namespace", objects.Namespace),
    ("io.k8s.api.batch.v1.CronJob", objects.CronJob),
    *((name.removesuffix("Spec"), objects.Workload) for name in JOB_SPECS),
]


@pytest.mark.parametrize(
    "name,struct", KINDS, ids=lambda value: value.rpartition(".")[2] if isinstance(value, str) else ""
)
def test_an_object_with_every_field_of_the_api_loses_nothing(name: str, struct: type[Wire]) -> None:
    whole = filled(definitions()[name])
    text = msgspec.json.encode(whole)
    assert len(text) > 1000 or struct is objects.Namespace
    again = msgspec.json.encode(msgspec.json.decode(text, type=struct))
    assert msgspec.json.decode(again) == whole
    assert len(again) == len(text)

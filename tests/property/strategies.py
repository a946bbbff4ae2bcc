"""Objects that hypothesis makes: every field that is decoded, with the values that checks ask about among others."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Final

import msgspec
from hypothesis import strategies as st

from app.core import wire
from app.core.version import Level
from app.core.wire import PodSpec, Volume, Wire
from policies import app_armor_profile, capabilities_baseline, se_linux_options, seccomp_profile_baseline, sysctls
from tests.unit.core.reviews import CONTROLLERS, GOOD_SPEC, POD, Json, Kind

FIELDS_AT_ONCE: Final = 4
"""How many fields of one object are set at most: most rules are about the interplay of two."""

WORDS: Final = st.sampled_from(
    [
        *("", "app", "windows", "linux", "Default", "Unmasked", "RuntimeDefault", "Localhost", "Unconfined", "ALL"),
        *("NET_BIND_SERVICE", "CAP_CHOWN", "all", "127.0.0.1", "kata", "spc_t", "a\n\x1b[31m", 'q"\\', "é\u202e"),
        *sorted(capabilities_baseline.ALLOWED),
        *sorted(se_linux_options.TYPES_WITH_ENGINE),
        *(name for _, names in sysctls.SAFE for name in names),
    ]
)
TEXT: Final = st.one_of(WORDS, st.text(max_size=8))
JSON: Final = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
"""Any JSON value."""
UNDECODED: Final = st.one_of(st.just({}), st.just(None), JSON)
ANNOTATIONS: Final = st.dictionaries(
    st.one_of(
        st.just(seccomp_profile_baseline.POD_ANNOTATION),
        st.just(f"{seccomp_profile_baseline.CONTAINER_ANNOTATION}app"),
        st.just(f"{app_armor_profile.ANNOTATION}app"),
        TEXT.map(app_armor_profile.ANNOTATION.__add__),
        TEXT,
    ),
    st.one_of(st.sampled_from(["runtime/default", "docker/default", "localhost/x", "unconfined", ""]), TEXT),
    max_size=3,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values that decode as a Python type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = set(arguments) - {types.NoneType}
        return (
            values(inner)
            if isinstance(inner, type) and issubclass(inner, Wire)
            else st.one_of(st.none(), values(inner))
        )
    if origin is Annotated:
        return st.one_of(st.sampled_from([0, 1, -1]), st.integers(arguments[1].ge, arguments[1].le))
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if kind is msgspec.Raw:
        return UNDECODED
    if issubclass(kind, Wire):
        return objects(kind)
    return {str: TEXT, bool: st.booleans()}[kind]


def objects(struct: type[Wire]) -> st.SearchStrategy[Json]:
    """Objects of a struct with a few of its fields set; fields that nothing decodes only where they matter."""
    hints = typing.get_type_hints(struct, include_extras=True)
    named = {
        field.encode_name: st.deferred(lambda hint=hints[field.name]: values(hint))
        for field in msgspec.structs.fields(struct)
        if hints[field.name] is not msgspec.Raw or struct is Volume
    }
    names = st.lists(st.sampled_from(sorted(named)), max_size=FIELDS_AT_ONCE, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: named[name] for name in chosen}))


CONTAINERS: Final = st.lists(objects(wire.Container), max_size=3)
SPECS: Final[st.SearchStrategy[Json]] = st.builds(
    lambda spec, containers, pod_context: {**spec, **containers, **pod_context},
    objects(PodSpec),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("containers", "initContainers", "ephemeralContainers"), CONTAINERS)
    ),
    st.fixed_dictionaries({}, optional={"securityContext": objects(wire.PodSecurityContext)}),
)
"""Any spec of a pod, valid or not for Kubernetes, but of the right types."""


@st.composite
def nearly_good_specs(draw: st.DrawFn) -> Json:
    """Specs that keep the restricted level but for a few fields."""
    spec = {**GOOD_SPEC, **draw(objects(PodSpec))}
    if draw(st.booleans()):
        spec["securityContext"] = {**GOOD_SPEC["securityContext"], **draw(objects(wire.PodSecurityContext))}
    context = {**GOOD_SPEC["containers"][0]["securityContext"], **draw(objects(wire.SecurityContext))}
    spec["containers"] = [
        {**GOOD_SPEC["containers"][0], "securityContext": context},
        *draw(st.lists(st.just(GOOD_SPEC["containers"][0]), max_size=2)),
    ]
    return spec


PODS: Final = st.one_of(SPECS, nearly_good_specs())
KINDS: Final[st.SearchStrategy[Kind]] = st.sampled_from([POD, *CONTROLLERS])
VERSIONS: Final = st.one_of(st.just("latest"), st.integers(0, 40).map("v1.{}".format))
LEVELS: Final = st.sampled_from([level.value for level in Level])

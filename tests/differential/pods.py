"""Generated pods: either clean ones with a few faults put in, so that causes stand out, or thoroughly mixed ones."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from tests.differential import values
from tests.differential.values import MISSING, pick, put

Json = dict[str, Any]

APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"


def pod(random: Random, runtime_classes: tuple[str, ...]) -> tuple[Json, Json]:
    """Metadata and spec of one pod; `runtime_classes` are names that some configuration exempts."""
    heat = random.choice((0.02, 0.05, 0.05, 0.12, 0.35))
    clean = random.random() < 0.7
    spec = _spec(random, heat, clean=clean)
    if random.random() < 0.06:
        put(spec, "runtimeClassName", random.choice((*runtime_classes, "gvisor", "", None)))
    metadata: Json = {"name": "web", "labels": {"app": "web"}}
    annotations = _annotations(random, heat, spec)
    if annotations or random.random() < 0.1:
        metadata["annotations"] = annotations or random.choice(({}, None))
    return metadata, spec


def touch(random: Random, spec: Json) -> Json:
    """An older state of `spec`: what an update could have started from, significant or not."""
    old = deepcopy(spec)
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        kind = random.choice(
            ("containers", "containers", "initContainers", "ephemeralContainers", "ephemeralContainers")
        )
        items = old.get(kind)
        match random.choice(("image", "image", "add", "remove", "fault", "rename", "reverse", "empty", "fields")):
            case "image" if items:
                container = random.choice(items)
                put(container, "image", random.choice(("registry.example/other:2", "", None, "registry.example/app:1")))
            case "add":
                old[kind] = [*(items or []), _container(random, 0.05, clean=True, name=random.choice(values.NAMES))]
            case "remove" if items:
                items.pop(random.randrange(len(items)))
            case "fault" if items:
                random.choice(items)["securityContext"] = {"privileged": random.choice((True, False, None))}
            case "rename" if items:
                random.choice(items)["name"] = random.choice((*values.NAMES, ""))
            case "reverse" if items:
                items.reverse()
            case "empty":
                old[kind] = random.choice(([], None))
            case _:
                old["hostNetwork"] = random.choice((True, False))
    return old


def _spec(random: Random, heat: float, *, clean: bool) -> Json:
    spec: Json = {}
    context = _pod_context(random, heat, clean=clean)
    put(spec, "securityContext", context)
    spec["containers"] = [
        _container(random, heat, clean=clean, name=_name(random, values.NAMES[index]))
        for index in range(random.choice((0, 1, 1, 1, 2, 2, 3)))
    ]
    if random.random() < 0.35:
        spec["initContainers"] = [
            _container(random, heat, clean=clean, name=_name(random, f"init-{index}"))
            for index in range(random.choice((0, 1, 1, 2)))
        ]
        for container in spec["initContainers"]:
            put(container, "restartPolicy", pick(random, 0.3, ("Always", None)))
    if random.random() < 0.15:
        spec["ephemeralContainers"] = [
            _container(random, heat, clean=clean, name=_name(random, random.choice(("debug", "debug", "trace"))))
            for _ in range(random.choice((0, 1, 1, 2)))
        ]
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        if random.random() < 0.01:
            spec[kind] = None
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        put(spec, name, pick(random, heat, (True, True, False, None)))
    put(spec, "hostUsers", pick(random, max(heat, 0.15), (False, False, False, True, None)))
    if random.random() < max(heat / 2, 0.08):
        system: Json = {}
        put(system, "name", random.choice(values.SYSTEMS))
        spec["os"] = random.choice((system, system, system, None))
    if random.random() < 0.35:
        spec["volumes"] = _volumes(random, heat)
    spec |= _unread(random)
    return spec


def _unread(random: Random) -> Json:
    """Fields that decide nothing, some of them only by the case of a letter."""
    fields: Json = {}
    if random.random() < 0.1:
        fields |= {"serviceAccountName": "web", "nodeSelector": {"a": "b"}, "futureField": {"x": [1, None, "y"]}}
    if random.random() < 0.02:
        fields |= {"hostnetwork": True, "HostPID": True, "Volumes": [{"hostPath": {"path": "/"}}], "hostusers": False}
    return fields


def _name(random: Random, usual: str) -> Any:
    return pick(random, 0.04, values.ODD_NAMES, pick(random, 0.05, ("app",), usual))


def _container(random: Random, heat: float, *, clean: bool, name: Any) -> Json:
    container: Json = {}
    put(container, "name", name)
    put(container, "image", pick(random, 0.02, ("", None, MISSING), "registry.example/app:1"))
    put(container, "securityContext", _context(random, heat, clean=clean))
    if random.random() < max(heat, 0.08):
        container["ports"] = [_port(random) for _ in range(random.choice((0, 1, 1, 2)))] or random.choice(
            values.NOTHING
        )
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if random.random() < max(heat / 2, 0.04):
            container[probe] = pick(random, 0.08, (None, {}), {**_handler(random), "periodSeconds": 3})
    if random.random() < max(heat / 2, 0.05):
        lifecycle: Json = {}
        for hook in ("postStart", "preStop"):
            put(lifecycle, hook, pick(random, 0.7, (_handler(random), _handler(random), None, {})))
        container["lifecycle"] = pick(random, 0.06, (None, {}), lifecycle)
    if random.random() < 0.1:
        container["env"] = [{"name": "A", "value": "privileged"}, {"name": "B", "valueFrom": None}]
        container["resources"] = {"limits": {"cpu": "1"}}
    if random.random() < 0.01:
        container |= {"SecurityContext": {"privileged": True}, "Ports": [{"hostPort": 1}], "Image": "other"}
    return container


def _port(random: Random) -> Json:
    port: Json = {"containerPort": 8080}
    put(port, "hostPort", random.choice(values.HOST_PORTS))
    put(port, "hostIP", pick(random, 0.1, ("127.0.0.1",)))
    return port


def _handler(random: Random) -> Json:
    handler: Json = {}
    for kind in random.sample(("httpGet", "tcpSocket", "exec", "grpc"), random.choice((1, 1, 1, 2))):
        port = random.choice((80, "http"))
        action: Json = {"command": ["true"]} if kind == "exec" else {"port": 1 if kind == "grpc" else port}
        if kind in {"httpGet", "tcpSocket"}:
            put(action, "host", random.choice(values.HOSTS))
        handler[kind] = pick(random, 0.05, (None, action), action)
    return handler


def _context(random: Random, heat: float, *, clean: bool) -> Any:
    if random.random() < heat / 2:
        return random.choice((MISSING, None, {}))
    if not clean and random.random() < 0.3:
        return MISSING
    context: Json = {}
    put(context, "allowPrivilegeEscalation", pick(random, heat, values.MAYBE_TRUE, False if clean else MISSING))
    capabilities = (
        _capabilities(random) if random.random() < max(heat, 0.06) else {"drop": ["ALL"]} if clean else MISSING
    )
    put(context, "capabilities", capabilities)
    put(context, "privileged", pick(random, max(heat, 0.03), values.MAYBE_TRUE))
    put(context, "procMount", pick(random, heat, values.PROC_MOUNTS))
    put(context, "runAsNonRoot", pick(random, heat, values.MAYBE_TRUE))
    put(context, "readOnlyRootFilesystem", pick(random, 0.05, values.MAYBE_TRUE))
    _shared_context(random, heat, context)
    return context


def _pod_context(random: Random, heat: float, *, clean: bool) -> Any:
    if random.random() < heat / 2:
        return random.choice((MISSING, None, {}))
    context: Json = {}
    put(context, "runAsNonRoot", pick(random, heat, values.MAYBE_TRUE, True if clean else MISSING))
    if clean and random.random() < 0.95:
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    _shared_context(random, heat, context)
    if random.random() < max(heat, 0.08):
        context["sysctls"] = [_sysctl(random) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))] or random.choice(
            values.NOTHING
        )
    put(context, "fsGroup", pick(random, 0.05, (0, 2000)))
    return context


def _shared_context(random: Random, heat: float, context: Json) -> None:
    """Fields that the contexts of pods and of containers have in common."""
    put(context, "runAsUser", pick(random, max(heat, 0.04), values.USERS))
    if random.random() < heat:
        options: Json = {"level": "s0:c1"} if random.random() < 0.2 else {}
        put(options, "type", random.choice(values.SELINUX_TYPES))
        put(options, "user", random.choice(values.SELINUX_WORDS))
        put(options, "role", random.choice(values.SELINUX_WORDS))
        context["seLinuxOptions"] = pick(random, 0.1, (None, {}), options)
    for name, kinds in (("seccompProfile", values.SECCOMP_TYPES), ("appArmorProfile", values.APPARMOR_TYPES)):
        if random.random() < heat:
            profile: Json = {}
            put(profile, "type", random.choice(kinds))
            put(profile, "localhostProfile", pick(random, 0.2, ("profiles/x.json",)))
            context[name] = pick(random, 0.1, (None, {}), profile)
    if random.random() < heat:
        windows: Json = {}
        put(windows, "hostProcess", random.choice((True, True, False, None, MISSING)))
        put(windows, "runAsUserName", pick(random, 0.2, ("ContainerUser",)))
        context["windowsOptions"] = pick(random, 0.1, (None, {}), windows)


def _capabilities(random: Random) -> Any:
    if random.random() < 0.1:
        return random.choice((None, {}, MISSING))
    capabilities: Json = {}
    put(capabilities, "drop", random.choice(values.DROPS))
    if random.random() < 0.6:
        capabilities["add"] = random.choices(values.CAPABILITIES, k=random.choice((0, 1, 1, 1, 2, 3))) or random.choice(
            values.NOTHING
        )
    return capabilities


def _sysctl(random: Random) -> Json:
    sysctl: Json = {"value": "1"}
    put(sysctl, "name", random.choice(values.SYSCTLS))
    return sysctl


def _volumes(random: Random, heat: float) -> Any:
    volumes = []
    for index in range(random.choice((0, 1, 1, 2, 3))):
        volume: Json = {}
        put(volume, "name", _name(random, f"volume-{index}"))
        kinds = tuple(values.VOLUMES) if random.random() < max(heat, 0.15) else tuple(values.VOLUMES)[:9]
        kinds = pick(random, max(heat / 3, 0.05), (("hostPath", "emptyDir"),), kinds)
        for kind in random.sample(kinds, random.choice((1, 1, 1, 1, 1, 1, 1, 1, 0, 2))):
            volume[kind] = pick(random, 0.04, (None, {}), deepcopy(values.VOLUMES[kind]))
        if random.random() < 0.03:
            volume[random.choice(values.UNKNOWN_VOLUMES)] = {"path": "/"}
        volumes.append(volume)
    return volumes or random.choice(values.NOTHING)


def _annotations(random: Random, heat: float, spec: Json) -> Json:
    annotations: Json = {}
    named = [
        container["name"]
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for container in spec.get(kind) or []
        if isinstance(container.get("name"), str)
    ]
    if random.random() < max(heat, 0.08):
        names = random.choices([*named, "absent", ""], k=random.choice((1, 1, 2)))
        prefixes = (APPARMOR_PREFIX, APPARMOR_PREFIX, APPARMOR_PREFIX, APPARMOR_PREFIX[:-1], f"x{APPARMOR_PREFIX}")
        for name in names:
            annotations[random.choice(prefixes) + name] = random.choice(values.APPARMOR_ANNOTATIONS)
    if random.random() < max(heat, 0.08):
        names = random.choices([*named, "absent", ""], k=random.choice((1, 1, 2)))
        keys = [SECCOMP_POD, f"{SECCOMP_POD}x", *(SECCOMP_PREFIX + name for name in names)]
        for key in random.sample(keys, random.choice((1, 1, 2))):
            annotations[key] = random.choice(values.SECCOMP_ANNOTATIONS)
    if random.random() < 0.1:
        annotations["example.com/note"] = "unconfined"
    return annotations

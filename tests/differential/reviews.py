"""Generated AdmissionReviews of every kind, operation and subresource, each by its number alone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.differential import pods, worlds
from tests.differential.values import MISSING, pick, put
from tests.differential.worlds import WORLDS, Population

Json = dict[str, Any]

CONTROLLERS: Final = {
    "Deployment": ("apps", "deployments"),
    "ReplicaSet": ("apps", "replicasets"),
    "StatefulSet": ("apps", "statefulsets"),
    "DaemonSet": ("apps", "daemonsets"),
    "Job": ("batch", "jobs"),
    "CronJob": ("batch", "cronjobs"),
    "ReplicationController": ("", "replicationcontrollers"),
    "PodTemplate": ("", "podtemplates"),
}
"""Kind to group and resource of everything that carries a pod template."""

IGNORED_SUBRESOURCES: Final = ("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status")
USERS: Final = (
    *("alice", "alice", "system:admin", "", "Admin", "admin ", *worlds.EXEMPT_USERS),
    "system:serviceaccount:kube-system:replicaset-controlle",
)


@dataclass(frozen=True, slots=True)
class Case:
    """Review number `index`: the document, and the configuration and namespace labels it meets.

    `kind` is what the counts are kept by: the object's kind, or a word for the odd ones. `labels` is `None` where the
    namespace does not exist.
    """

    index: int
    kind: str
    world: int
    review: Json
    labels: dict[str, str] | None


def case(seed: int, index: int, population: Population) -> Case:
    """Review `index` of `seed`; equal arguments give an equal review."""
    random = Random(f"review {seed} {index}")
    namespace = _namespace(random)
    kinds = ("pod", "update", "controller", "subresource", "namespace", "relabel", "odd")
    kind = random.choices(kinds, (36, 24, 20, 5, 6, 8, 1))[0]
    make = {
        "pod": _pod_create,
        "update": _pod_update,
        "controller": _controller,
        "subresource": _subresource,
        "namespace": _namespace_create,
        "relabel": _namespace_update,
        "odd": _odd,
    }[kind]
    label, request = make(random, namespace)
    request = _request(random, index, namespace, request)
    return Case(
        index=index,
        kind=label,
        world=random.choices(range(len(WORLDS)), (4, 3, 3))[0],
        review={"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request},
        labels=population.labels.get(request.get("namespace", "")),
    )


def _namespace(random: Random) -> str:
    if random.random() < 0.06:
        return random.choice(
            ("plain", "privileged", "privileged-enforce", "kube-system", "exempt-restricted", "nowhere")
        )
    return f"ns-{random.randrange(worlds.NAMESPACES)}"


def _request(random: Random, index: int, namespace: str, parts: Json) -> Json:
    """The request with the fields that the API server always sends."""
    request: Json = {"uid": f"00000000-0000-4000-8000-{index:012d}", **parts}
    request["requestKind"] = request["kind"]
    request["requestResource"] = request["resource"]
    if "subResource" in request:
        request["requestSubResource"] = request["subResource"]
    request.setdefault("namespace", namespace)
    name = pick(random, 0.1, (MISSING, "", 'od"d'), "web")
    if "name" not in request:
        put(request, "name", name)
    username = pick(random, 0.08, USERS, "alice")
    request["userInfo"] = {"username": username, "groups": ["system:authenticated"]}
    request["dryRun"] = random.random() < 0.1
    request["options"] = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
    return request


def _parts(  # noqa: PLR0917 - the parts of a request, in its order
    kind: str, group: str, resource: str, operation: str, new: Any, old: Any = None
) -> Json:
    return {
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource},
        "operation": operation,
        "object": new,
        "oldObject": old,
    }


def _pod(random: Random) -> Json:
    metadata, spec = pods.pod(random, worlds.RUNTIME_CLASSES)
    made: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    if random.random() < 0.02:
        key = random.choice(("metadata", "spec", "apiVersion", "kind"))
        made[key] = None if key in {"metadata", "spec"} else ""
        if random.random() < 0.5:
            del made[key]
    return made


def _pod_create(random: Random, _namespace: str) -> tuple[str, Json]:
    return "Pod", _parts("Pod", "", "pods", "CREATE", _pod(random))


def _pod_update(random: Random, _namespace: str) -> tuple[str, Json]:
    new = _pod(random)
    old = deepcopy(new)
    if isinstance(new.get("spec"), dict):
        old["spec"] = pods.touch(random, new["spec"])
    if random.random() < 0.3:
        old["metadata"] = {"name": "web", "annotations": {"example.com/changed": "yes"}}
    parts = _parts("Pod", "", "pods", "UPDATE", new, old)
    subresource = pick(random, 0.35, ("ephemeralcontainers", "resize"))
    put(parts, "subResource", subresource)
    return f"Pod/{subresource}" if isinstance(subresource, str) else "Pod update", parts


def _controller(random: Random, _namespace: str) -> tuple[str, Json]:
    kind = random.choice(tuple(CONTROLLERS))
    group, resource = CONTROLLERS[kind]
    metadata, spec = pods.pod(random, worlds.RUNTIME_CLASSES)
    metadata.pop("name")
    template: Any = {"metadata": metadata, "spec": spec}
    if random.random() < 0.05:
        template = random.choice((None, {}, {"metadata": metadata}, {"metadata": None, "spec": spec}, {"spec": None}))
    held: Json = {"template": template}
    if random.random() < 0.02:
        held = {}
    if kind == "PodTemplate":
        body: Json = held
    elif kind == "CronJob":
        body = {"spec": {"schedule": "@daily", "jobTemplate": {"spec": held}}}
        if random.random() < 0.04:
            body["spec"]["jobTemplate"] = random.choice((None, {}, {"spec": None}))
    else:
        selector: Json = {"app": "web"} if kind == "ReplicationController" else {"matchLabels": {"app": "web"}}
        body = {"spec": {"replicas": 1, "selector": selector, **held}}
    if random.random() < 0.02:
        body = random.choice(({}, {"spec": None}))
    version = f"{group}/v1" if group else "v1"
    made: Json = {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, **body}
    operation = random.choice(("CREATE", "UPDATE"))
    parts = _parts(kind, group, resource, operation, made, deepcopy(made) if operation == "UPDATE" else None)
    if random.random() < 0.05:
        parts["subResource"] = random.choice(("status", "scale"))
    return kind, parts


def _subresource(random: Random, _namespace: str) -> tuple[str, Json]:
    subresource = random.choice((*IGNORED_SUBRESOURCES, "ephemeralcontainers", "resize", "future", "Status", "status "))
    if subresource in {"exec", "attach", "portforward", "proxy"}:
        named = {"exec": "Exec", "attach": "Attach", "portforward": "PortForward", "proxy": "Proxy"}
        kind = f"Pod{named[subresource]}Options"
        parts = _parts(kind, "", "pods", "CONNECT", {"apiVersion": "v1", "kind": kind, "stdin": True})
    elif subresource in {"binding", "eviction"}:
        group, kind = ("", "Binding") if subresource == "binding" else ("policy", "Eviction")
        made = {"apiVersion": "policy/v1" if group else "v1", "kind": kind, "metadata": {"name": "web"}}
        parts = _parts(kind, group, "pods", "CREATE", made)
        parts["resource"] = {"group": "", "version": "v1", "resource": "pods"}
    else:
        new = _pod(random)
        old = deepcopy(new)
        if isinstance(new.get("spec"), dict):
            old["spec"] = pods.touch(random, new["spec"])
        operation = random.choice(("CREATE", "UPDATE", "UPDATE"))
        parts = _parts("Pod", "", "pods", operation, new, old if operation == "UPDATE" else None)
    parts["subResource"] = subresource
    return f"Pod/{subresource}", parts


def _labelled(name: str, labels: Any) -> Json:
    metadata: Json = {"name": name}
    put(metadata, "labels", labels)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}


def _namespace_create(random: Random, namespace: str) -> tuple[str, Json]:
    labels = pick(random, 0.05, (MISSING, None, {}), worlds.labels(random, faults=random.choice((0.0, 0.2, 0.6))))
    parts = _parts("Namespace", "", "namespaces", "CREATE", _labelled(namespace, labels))
    return "Namespace", {**parts, "name": namespace, "namespace": namespace}


def _namespace_update(random: Random, namespace: str) -> tuple[str, Json]:
    if random.random() < 0.4:
        namespace = f"ns-{100 + random.randrange(worlds.POPULATED)}"
    elif random.random() < 0.1:
        namespace = random.choice(worlds.EXEMPT_NAMESPACES)
    faults = random.choice((0.0, 0.0, 0.2, 0.6))
    old: Any = worlds.labels(random, faults=faults)
    new: Any = dict(old)
    if random.random() < 0.2:
        new["team"] = "b"
    for key in random.sample(sorted({*new, worlds.PREFIX + "enforce", worlds.PREFIX + "enforce-version"}), 1):
        fresh = worlds.labels(random, faults=faults)
        if key in fresh and random.random() < 0.9:
            new[key] = fresh[key]
        else:
            new.pop(key, None)
    if random.random() < 0.4:
        new[f"{worlds.PREFIX}enforce"] = random.choice(("baseline", "restricted"))
    new, old = pick(random, 0.06, (None, {}), new), pick(random, 0.03, (None, {}), old)
    parts = _parts("Namespace", "", "namespaces", "UPDATE", _labelled(namespace, new), _labelled(namespace, old))
    if random.random() < 0.08:
        parts["subResource"] = random.choice(("finalize", "status"))
    return "Namespace update", {**parts, "name": namespace, "namespace": namespace}


def _odd(random: Random, namespace: str) -> tuple[str, Json]:
    """Documents that no API server sends: wrong types, empty slots in lists, missing objects.

    A controller always has its object here: without one the reference panics and drops the connection.
    """
    make = random.choice((_pod_create, _pod_update, _controller, _namespace_create, _namespace_update))
    parts = deepcopy(make(random, namespace)[1])  # some parts are constants, which must stay as they are
    fault = random.choice(("type", "type", "null-item", "no-object", "no-old"))
    if fault == "no-object" and make is not _controller:
        parts["object"] = None
    elif fault in {"no-object", "no-old"}:
        parts["oldObject"] = None
    else:
        spoilt = random.choice([part for part in (parts["object"], parts["object"], parts["oldObject"]) if part])
        spots = list(_spots(spoilt, null=fault == "null-item"))
        if make in {_namespace_create, _namespace_update}:
            # Its spec says nothing and is not read; without its name the reference asks for the pods of all namespaces.
            spots = [(where, key) for where, key in spots if key not in {"spec", "metadata"}]
        if spots:
            where, key = random.choice(spots)
            where[key] = None if fault == "null-item" else random.choice(("wrong", 7, [], {"a": 1}, True, 1.5))
    return f"odd: {fault}", parts


def _spots(value: Any, *, null: bool) -> Any:
    """Places in an object whose value may be replaced: list items and annotations, or any field that checks read."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if null and key in {"annotations", "labels"} and isinstance(inner, dict):
                yield from ((inner, name) for name in inner)
            elif not null and key in READ_FIELDS:
                yield value, key
            if null or key != "volumes":  # what a volume's source says is not read
                yield from _spots(inner, null=null)
    elif isinstance(value, list):
        if null:
            yield from ((value, index) for index in range(len(value)))
        for inner in value:
            yield from _spots(inner, null=null)


READ_FIELDS: Final = frozenset(
    {
        *(
            "annotations",
            "labels",
            "spec",
            "metadata",
            "template",
            "containers",
            "initContainers",
            "ephemeralContainers",
        ),
        *(
            "volumes",
            "securityContext",
            "capabilities",
            "add",
            "drop",
            "privileged",
            "allowPrivilegeEscalation",
            "hostUsers",
        ),
        *(
            "runAsNonRoot",
            "runAsUser",
            "seccompProfile",
            "appArmorProfile",
            "seLinuxOptions",
            "windowsOptions",
            "hostProcess",
        ),
        *(
            "type",
            "user",
            "role",
            "sysctls",
            "procMount",
            "ports",
            "hostPort",
            "httpGet",
            "tcpSocket",
            "host",
            "os",
            "lifecycle",
        ),
        *(
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "postStart",
            "preStop",
            "hostNetwork",
            "hostPID",
            "hostIPC",
        ),
        *("runtimeClassName", "image"),
    }
)
"""Names of fields that decide something; other fields of a wrong type are not read at all by Pratique."""

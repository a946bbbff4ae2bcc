"""What the reviews refer to: configurations of the webhooks, namespaces with their labels, and pods that exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.differential import pods, values
from tests.differential.values import pick

Json = dict[str, Any]

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
NAMESPACES: Final = 1200
"""How many namespaces exist; a few more have fixed names and labels."""
POPULATED: Final = 60
"""How many of them hold pods."""
RUNTIME_CLASSES: Final = ("kata", "windows-hcs")
EXEMPT_NAMESPACES: Final = ("kube-system", "exempt-restricted")
EXEMPT_USERS: Final = ("system:serviceaccount:kube-system:replicaset-controller", "admin")


@dataclass(frozen=True, slots=True)
class World:
    """One configuration: what both webhooks are started with."""

    name: str
    defaults: dict[str, str]
    exemptions: dict[str, list[str]]

    def configuration(self) -> Json:
        """The PodSecurityConfiguration document."""
        return {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "defaults": self.defaults,
            "exemptions": self.exemptions,
        }


def _defaults(enforce: str, audit: str, warn: str) -> dict[str, str]:
    defaults: dict[str, str] = {}
    for mode, text in zip(MODES, (enforce, audit, warn), strict=True):
        level, _, version = text.partition(":")
        defaults |= {mode: level, f"{mode}-version": version}
    return defaults


EXEMPTIONS: Final = {
    "usernames": list(EXEMPT_USERS),
    "runtimeClasses": list(RUNTIME_CLASSES),
    "namespaces": list(EXEMPT_NAMESPACES),
}
WORLDS: Final = (
    World("kubernetes-defaults", _defaults("privileged:latest", "privileged:latest", "privileged:latest"), EXEMPTIONS),
    World("mixed-defaults", _defaults("baseline:latest", "restricted:v1.24", "restricted:latest"), EXEMPTIONS),
    World(
        "strict-defaults",
        _defaults("restricted:v1.30", "baseline:latest", "baseline:v1.33"),
        {"usernames": [], "runtimeClasses": [], "namespaces": []},
    ),
)


@dataclass(frozen=True, slots=True)
class Population:
    """The namespaces of one seed: labels by name, and the pods of those that have any."""

    labels: dict[str, dict[str, str]]
    pods: dict[str, list[Json]] = field(default_factory=dict)


def version(random: Random) -> str:
    """A policy version: mostly one of v1.0 to the last, sometimes `latest` or one beyond it."""
    return str(pick(random, 0.06, values.LATER_VERSIONS, random.choice(values.VERSIONS)))


def labels(random: Random, *, faults: float) -> dict[str, str]:
    """Namespace labels; each value is invalid with probability `faults`."""
    found: dict[str, str] = {"team": "a"} if random.random() < 0.3 else {}
    for mode in MODES:
        if random.random() < 0.75:
            level = random.choice(("baseline", "restricted", "restricted", "baseline", "privileged"))
            found[PREFIX + mode] = pick(random, faults, values.BAD_LEVELS, level)
        if random.random() < 0.75:
            found[f"{PREFIX}{mode}-version"] = pick(random, faults, values.BAD_VERSIONS, version(random))
    if random.random() < 0.05:
        found |= {f"{PREFIX}enforce-versions": "v1.0", "pod-security.kubernetes.io": "restricted"}
    return found


def populate(seed: int) -> Population:
    """The namespaces and pods that belong to `seed`."""
    random = Random(f"namespaces {seed}")
    named: dict[str, dict[str, str]] = {
        "plain": {},
        "privileged": {PREFIX + mode: "privileged" for mode in MODES},
        "privileged-enforce": {f"{PREFIX}enforce": "privileged"},
        "kube-system": {f"{PREFIX}enforce": "restricted"},
        "exempt-restricted": {f"{PREFIX}enforce": "restricted", f"{PREFIX}warn": "baseline"},
    }
    for number in range(NAMESPACES):
        name = f"ns-{number}"
        if number < 2 * len(values.VERSIONS):
            level = values.LEVELS[1 + number % 2]
            one = values.VERSIONS[number // 2]
            named[name] = {PREFIX + mode: level for mode in MODES} | {f"{PREFIX}{mode}-version": one for mode in MODES}
        else:
            named[name] = labels(random, faults=0.3 if number % 12 == 0 else 0.0)
    existing = {f"ns-{number}": _existing(random) for number in range(100, 100 + POPULATED)}
    return Population(named, existing)


def _existing(random: Random) -> list[Json]:
    found = []
    for number in range(random.choice((0, 1, 2, 4, 8))):
        metadata, spec = pods.pod(random, RUNTIME_CLASSES)
        metadata |= {"name": f"pod-{number}", "uid": f"u-{number}"}
        if random.random() < 0.5:
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": random.choice("ab")}
            metadata["ownerReferences"] = [{**owner, "controller": random.choice((True, False))}]
        found.append({"metadata": metadata, "spec": spec})
        if random.random() < 0.3:
            found.append({"metadata": {**metadata, "name": f"pod-{number}-twin"}, "spec": spec})
    return found

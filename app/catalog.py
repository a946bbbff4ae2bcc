"""The checks that ship: discovered in `policies`, proved once at start-up, then frozen.

This is the only importer of `policies`. A check is registered by its file being there and by nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

import msgspec

import policies
from app.core.check import Check, Example, Severity, Since
from app.core.plan import Rule
from app.core.target import pod_object, view
from app.core.version import Level, Version
from app.errors import CatalogError

_SEVERITY = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Catalog:
    """A proved set of checks."""

    checks: tuple[Check, ...]
    """Sorted by id."""
    rules: Mapping[Level, tuple[tuple[Rule, ...], ...]]
    """What runs at each level, by minor version up to `newest`; most severe first, then by id."""

    @property
    def newest(self) -> int:
        """Minor version of the newest rule; `latest` and later versions mean this one."""
        return len(self.rules[Level.BASELINE]) - 1

    def __getitem__(self, check: str) -> Check:
        """Find a check by id; raises KeyError."""
        for candidate in self.checks:
            if candidate.id == check:
                return candidate
        raise KeyError(check)


@cache
def catalog() -> Catalog:
    """Load and prove the shipped checks, once. Raises CatalogError."""
    return build(discover(policies))


def discover(package: ModuleType) -> Iterator[Check]:
    """Import every module of a package and give its `CHECK`. Raises CatalogError: a module without one."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        check = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "CHECK", None)
        if not isinstance(check, Check):
            msg = f"policies/{module.name}.py declares no CHECK"
            raise CatalogError(msg)
        if check.id != module.name.replace("_", "-"):
            msg = f"policies/{module.name}.py declares the id `{check.id}`, which must be the file's name"
            raise CatalogError(msg)
        yield check


def build(checks: Iterable[Check]) -> Catalog:
    """Prove that checks fit together and behave as their examples say, and lay out what runs when.

    Raises CatalogError: a repeated id, versions that do not increase, an override of anything but a baseline check, a
    missing explanation, or an example that finds something else than it says.
    """
    ordered = tuple(sorted(checks, key=lambda check: check.id))
    _prove_declarations(ordered)
    newest = max(_minor(check, since) for check in ordered for since in check.versions)
    for check in ordered:
        for example in (*check.good, *check.bad):
            _prove_example(check, example)
    return Catalog(
        ordered,
        {
            level: tuple(_rules(ordered, level, minor) for minor in range(newest + 1))
            for level in (Level.BASELINE, Level.RESTRICTED)
        },
    )


def _prove_declarations(checks: tuple[Check, ...]) -> None:
    levels: dict[str, Level] = {}
    for check in checks:
        if check.id in levels:
            _fail(check, "the id is taken")
        levels[check.id] = check.level
        if check.level not in (Level.BASELINE, Level.RESTRICTED):
            _fail(check, "the level must be baseline or restricted")
        minors = [_minor(check, since) for since in check.versions]
        if not minors or minors != sorted(set(minors)):
            _fail(check, "versions must be there and strictly increase")
        for name, value in (
            ("why (the module's docstring)", check.why),
            ("title", check.title),
            ("fix", check.fix),
            ("fields", check.fields),
            ("references", check.references),
            ("good examples", check.good),
            ("bad examples", check.bad),
        ):
            if not value:
                _fail(check, f"{name} must be there")
    for check in checks:
        for override in (override for since in check.versions for override in since.overrides):
            if check.level is not Level.RESTRICTED or levels.get(override) is not Level.BASELINE:
                _fail(check, f"only a restricted check may override, and only a baseline one, not `{override}`")


def _minor(check: Check, since: Since) -> int:
    try:
        minor = Version.parse(since.version).minor
    except ValueError:
        minor = None
    if minor is None:
        _fail(check, f"`{since.version}` is no version such as v1.25")
    return minor


def _fail(check: Check, reason: str) -> NoReturn:
    msg = f"check `{check.id}`: {reason}"
    raise CatalogError(msg)


def _since(check: Check, minor: int) -> Since | None:
    found = None
    for since in check.versions:
        if _minor(check, since) <= minor:
            found = since
    return found


def _rules(checks: tuple[Check, ...], level: Level, minor: int) -> tuple[Rule, ...]:
    running = [
        (check, since)
        for check in checks
        if check.level.rank <= level.rank and (since := _since(check, minor)) is not None
    ]
    overridden = {override for _, since in running for override in since.overrides}
    kept = [rule for rule in running if rule[0].id not in overridden]
    return tuple(sorted(kept, key=lambda rule: (_SEVERITY[rule[0].severity], rule[0].id)))


def pod_of_example(example: Example) -> dict[str, Any]:
    """Give the whole pod of an example, as it would be sent."""
    spec = {"containers": [{"name": "app"}], **example.spec}
    spec["containers"] = [{"image": "registry.example/app:1", **container} for container in spec["containers"]]
    metadata: dict[str, Any] = {"name": "example"}
    if example.annotations:
        metadata["annotations"] = dict(example.annotations)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def findings_of_example(check: Check, example: Example) -> tuple[str, ...]:
    """Give the paths that a check finds in an example's pod."""
    minor = Version.parse(example.version).minor
    since = check.versions[-1] if minor is None else _since(check, minor)
    pod = view(pod_object(msgspec.json.encode(pod_of_example(example)), "example"))
    return () if since is None else tuple(finding.path for finding in since.find(pod))


def _prove_example(check: Check, example: Example) -> None:
    found = findings_of_example(check, example)
    if found != example.finds:
        _fail(check, f"the example `{example.title}` finds {list(found)}, not {list(example.finds)}")
    if (example in check.bad) is not bool(found):
        _fail(check, f"the example `{example.title}` stands under the wrong heading")

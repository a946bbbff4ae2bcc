"""The catalogue refuses every declaration that does not hold; what holds is laid out by level and version."""

import pathlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from app.catalog import build, catalog, discover, findings_of_example, pod_of_example
from app.core.check import Check, Example, Layer, Severity, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.core.version import Level
from app.errors import CatalogError


def find_host_network(pod: Pod) -> Iterator[Finding]:
    if pod.spec.host_network:
        yield Finding("sample", pod.at(None, "hostNetwork"), "true", "be false", "hostNetwork: false")


def find_host_users(pod: Pod) -> Iterator[Finding]:
    if pod.spec.host_users is not None:
        yield Finding("sample", pod.at(None, "hostUsers"), "set", "be unset", "leave it out")


SAMPLE = Check(
    id="sample",
    title="Sample",
    level=Level.BASELINE,
    severity=Severity.HIGH,
    layer=Layer.HOST,
    why="because",
    versions=(Since("v1.3", find_host_network),),
    fields=("spec.hostNetwork",),
    fix="do",
    references=("here",),
    good=(Example("off"),),
    bad=(Example("on", {"hostNetwork": True}, finds=("spec.hostNetwork",)),),
)


def named(name: str, **changes: object) -> Check:
    return replace(SAMPLE, id=name, **changes)  # type: ignore[arg-type]


def ids(rules: tuple[tuple[Check, Since], ...]) -> list[str]:
    return [check.id for check, _ in rules]


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (replace(SAMPLE, why=""), "why (the module's docstring) must be there"),
        (replace(SAMPLE, why=None), "why (the module's docstring) must be there"),
        (replace(SAMPLE, title=""), "title must be there"),
        (replace(SAMPLE, fix=""), "fix must be there"),
        (replace(SAMPLE, fields=()), "fields must be there"),
        (replace(SAMPLE, references=()), "references must be there"),
        (replace(SAMPLE, good=()), "good examples must be there"),
        (replace(SAMPLE, bad=()), "bad examples must be there"),
        (replace(SAMPLE, versions=()), "versions must be there and strictly increase"),
        (
            replace(SAMPLE, versions=(Since("v1.4", find_host_network), Since("v1.3", find_host_network))),
            "versions must be there and strictly increase",
        ),
        (
            replace(SAMPLE, versions=(Since("v1.3", find_host_network), Since("v1.3", find_host_network))),
            "versions must be there and strictly increase",
        ),
        (replace(SAMPLE, versions=(Since("latest", find_host_network),)), "`latest` is no version such as v1.25"),
        (replace(SAMPLE, versions=(Since("1.3", find_host_network),)), "`1.3` is no version such as v1.25"),
        (replace(SAMPLE, level=Level.PRIVILEGED), "the level must be baseline or restricted"),
        (
            replace(SAMPLE, good=(Example("on", {"hostNetwork": True}),)),
            "the example `on` finds ['spec.hostNetwork'], not []",
        ),
        (
            replace(SAMPLE, bad=(Example("off", finds=("spec.hostNetwork",)),)),
            "the example `off` finds [], not ['spec.hostNetwork']",
        ),
        (
            replace(SAMPLE, bad=(Example("on", {"hostNetwork": True}, finds=("spec.hostPID",)),)),
            "the example `on` finds ['spec.hostNetwork'], not ['spec.hostPID']",
        ),
        (
            replace(SAMPLE, good=(Example("bad", {"hostNetwork": True}, finds=("spec.hostNetwork",)),)),
            "the example `bad` stands under the wrong heading",
        ),
        (replace(SAMPLE, bad=(Example("nothing"),)), "the example `nothing` stands under the wrong heading"),
        (
            replace(SAMPLE, versions=(Since("v1.3", find_host_network, overrides=("other",)),)),
            "only a restricted check may override, and only a baseline one, not `other`",
        ),
        (
            replace(
                SAMPLE,
                level=Level.RESTRICTED,
                versions=(Since("v1.3", find_host_network, overrides=("missing",)),),
            ),
            "only a restricted check may override, and only a baseline one, not `missing`",
        ),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused_with_its_reason(check: Check, reason: str) -> None:
    with pytest.raises(CatalogError) as caught:
        build([check, named("other")])
    assert str(caught.value) == f"check `sample`: {reason}"


def test_a_baseline_check_may_not_override_even_a_baseline_one() -> None:
    with pytest.raises(CatalogError, match="check `a`: only a restricted check may override"):
        build([named("a", versions=(Since("v1.3", find_host_network, overrides=("b",)),)), named("b")])


def test_an_id_may_be_used_once() -> None:
    with pytest.raises(CatalogError) as caught:
        build([SAMPLE, SAMPLE])
    assert str(caught.value) == "check `sample`: the id is taken"


def test_checks_are_sorted_and_found_by_id() -> None:
    built = build([named("b"), named("a")])
    assert [check.id for check in built.checks] == ["a", "b"]
    assert built["b"].id == "b"
    with pytest.raises(KeyError) as caught:
        built["c"]
    assert caught.value.args == ("c",)


def test_rules_run_from_their_version_on_most_severe_first_and_restricted_includes_baseline() -> None:
    built = build(
        [
            named("a", severity=Severity.LOW),
            named("b", severity=Severity.CRITICAL, versions=(Since("v1.0", find_host_network),)),
            named("c", severity=Severity.HIGH),
            named("d", severity=Severity.HIGH, level=Level.RESTRICTED, versions=(Since("v1.5", find_host_network),)),
        ]
    )
    assert built.newest == 5
    assert {level: len(rules) for level, rules in built.rules.items()} == {Level.BASELINE: 6, Level.RESTRICTED: 6}
    assert ids(built.rules[Level.BASELINE][0]) == ["b"]
    assert ids(built.rules[Level.BASELINE][2]) == ["b"]
    assert ids(built.rules[Level.BASELINE][3]) == ["b", "c", "a"]
    assert ids(built.rules[Level.BASELINE][5]) == ["b", "c", "a"]
    assert ids(built.rules[Level.RESTRICTED][4]) == ["b", "c", "a"]
    assert ids(built.rules[Level.RESTRICTED][5]) == ["b", "c", "d", "a"]


def test_the_newest_version_that_is_not_too_new_applies() -> None:
    old, new = Since("v1.1", find_host_network), Since("v1.3", find_host_users)
    examples = {
        "good": (Example("neither"), Example("old", {"hostUsers": True}, version="v1.2")),
        "bad": (
            Example("old", {"hostNetwork": True}, finds=("spec.hostNetwork",), version="v1.2"),
            Example("new", {"hostUsers": False}, finds=("spec.hostUsers",)),
            Example("new by number", {"hostUsers": False}, finds=("spec.hostUsers",), version="v1.3"),
        ),
    }
    built = build([named("a", versions=(old, new), **examples)])
    applying = [[since for _, since in rules] for rules in built.rules[Level.BASELINE]]
    assert applying == [[], [old], [old], [new]]


def test_an_overridden_check_makes_way_from_that_version_on() -> None:
    strong = named(
        "strong",
        level=Level.RESTRICTED,
        versions=(Since("v1.3", find_host_network), Since("v1.4", find_host_network, overrides=("weak",))),
    )
    built = build([strong, named("weak")])
    assert ids(built.rules[Level.RESTRICTED][3]) == ["strong", "weak"]
    assert ids(built.rules[Level.RESTRICTED][4]) == ["strong"]
    assert ids(built.rules[Level.BASELINE][4]) == ["weak"]


def test_an_example_before_the_first_version_finds_nothing() -> None:
    assert findings_of_example(SAMPLE, Example("early", {"hostNetwork": True}, version="v1.2")) == ()
    assert findings_of_example(SAMPLE, Example("late", {"hostNetwork": True}, version="v1.9")) == ("spec.hostNetwork",)


def test_an_example_stands_for_a_whole_pod() -> None:
    assert pod_of_example(Example("bare")) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "example"},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
    }
    given = Example("given", {"hostIPC": True, "containers": [{"name": "x", "image": "y"}, {}]}, annotations={"a": "b"})
    assert pod_of_example(given) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "example", "annotations": {"a": "b"}},
        "spec": {
            "hostIPC": True,
            "containers": [{"name": "x", "image": "y"}, {"image": "registry.example/app:1"}],
        },
    }


@pytest.fixture
def package(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "sample_checks"
    folder.mkdir()
    module = ModuleType("sample_checks")
    module.__path__ = [str(folder)]
    monkeypatch.setitem(sys.modules, "sample_checks", module)
    yield module
    for name in [name for name in sys.modules if name.startswith("sample_checks.")]:
        del sys.modules[name]


def write(package: ModuleType, name: str, text: str) -> None:
    (pathlib.Path(package.__path__[0]) / f"{name}.py").write_text(text, encoding="utf-8")


def declaring(name: str) -> str:
    return (
        "from dataclasses import replace\nfrom tests.policies.test_catalog_proofs import SAMPLE\n"
        f"CHECK = replace(SAMPLE, id={name!r})\n"
    )


def test_a_file_is_all_that_registers_a_check(package: ModuleType) -> None:
    write(package, "_template", "raise RuntimeError('is not imported')\n")
    write(package, "host_network", declaring("host-network"))
    write(package, "very_long_name", declaring("very-long-name"))
    assert [check.id for check in discover(package)] == ["host-network", "very-long-name"]


def test_a_file_without_a_check_is_an_error(package: ModuleType) -> None:
    write(package, "host_network", "")
    with pytest.raises(CatalogError) as caught:
        list(discover(package))
    assert str(caught.value) == "policies/host_network.py declares no CHECK"


def test_a_file_whose_check_has_another_name_is_an_error(package: ModuleType) -> None:
    write(package, "host_network", declaring("hostnetwork"))
    with pytest.raises(CatalogError) as caught:
        list(discover(package))
    assert str(caught.value) == "policies/host_network.py declares the id `hostnetwork`, which must be the file's name"


def test_the_shipped_checks_hold_together() -> None:
    shipped = catalog()
    again = build(shipped.checks)
    assert again.newest == 37
    assert [check.id for check in again.checks] == [check.id for check in shipped.checks]
    assert {level: [ids(rules) for rules in by_minor] for level, by_minor in again.rules.items()} == {
        level: [ids(rules) for rules in by_minor] for level, by_minor in shipped.rules.items()
    }

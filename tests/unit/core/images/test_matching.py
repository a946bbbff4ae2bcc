"""Globs, selectors and the index over policies: which policies an image must satisfy."""

import itertools
import random
import re
import time
from collections.abc import Mapping

import pytest

from app.core.images.matching import Glob, InvalidGlob, PolicySet, concerns, selects, spellings
from app.core.images.policy import Authority, ImagePolicy, ResourceMatch, Static
from app.core.images.reference import Reference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
NOBODY = (Authority(name="authority-0", by=Static("fail")),)


def policy(name: str, *globs: str, matches: tuple[ResourceMatch, ...] = ()) -> ImagePolicy:
    return ImagePolicy(name=name, images=globs, authorities=NOBODY, matches=matches)


def found(
    policies: PolicySet, image: str, resource: str = "pods", labels: tuple[Mapping[str, str], ...] = ()
) -> list[str]:
    group, version = ("apps", "v1") if resource == "deployments" else ("", "v1")
    result = policies.policies_for(Reference.parse(image), image, group, version, resource, labels)
    return [one.name for one in result]


def fits(glob: str, image: str) -> bool:
    return found(PolicySet([policy("p", glob)]), image) == ["p"]


@pytest.mark.parametrize(
    "glob,image",
    [
        # The whole name with everything that the author left out.
        ("index.docker.io/library/redis:latest", "redis"),
        ("index.docker.io/library/*", "redis"),
        ("index.docker.io/**", "redis"),
        ("**", "redis"),
        ("*", "redis"),
        ("*/*", "some/one"),
        ("ghcr.io/me/**", "ghcr.io/me/a/b/c:v1"),
        ("ghcr.io/me/**", f"ghcr.io/me/app@{DIGEST}"),
        ("ghcr.io/*/*", "ghcr.io/me/app:v1"),
        ("ghcr.io/me/app:v*", "ghcr.io/me/app:v1.2"),
        ("ghcr.io/me/app*", "ghcr.io/me/app"),
        (f"ghcr.io/me/app@{DIGEST}", f"ghcr.io/me/app:any@{DIGEST}"),
        ("reg.example:5000/**", "reg.example:5000/x"),
        ("**/app:**", "ghcr.io/me/app:v1"),
        ("*ghcr.io/**", "ghcr.io/x"),
        ("ghcr.io/***", "ghcr.io/x/y"),
        # What the author wrote, as policy-controller's compatibility has it.
        ("redis", "redis"),
        ("some/one", "some/one"),
        ("ghcr.io/me/app", "ghcr.io/me/app"),
        ("GHCR.io/**", "GHCR.io/me/app"),
        (f"ghcr.io/me/app:v1@{DIGEST}", f"ghcr.io/me/app:v1@{DIGEST}"),
    ],
)
def test_what_a_glob_fits(glob: str, image: str) -> None:
    assert fits(glob, image)


@pytest.mark.parametrize(
    "glob,image",
    [
        ("ghcr.io/*/*", "ghcr.io/app"),
        ("ghcr.io/*", "ghcr.io/me/app"),
        ("ghcr.io/me/app", "ghcr.io/me/app:v2"),
        ("ghcr.io/me/app", "ghcr.io/me/app2"),
        ("ghcr.io/me/app", "evil.ghcr.io/me/app"),
        ("ghcr.io/**", "ghcrxio/me/app"),
        ("ghcr.io/**", "evil.example/ghcr.io/me/app"),
        ("*", "some/one"),
        ("*", "ghcr.io/me/app"),
        ("*/*", "ghcr.io/me/app"),
        # A digest reference has no tag.
        ("ghcr.io/me/app:v1", f"ghcr.io/me/app:v1@{DIGEST}"),
        ("ghcr.io/me/app:**", f"ghcr.io/me/app@{DIGEST}"),
        ("ghcr.io/me/app:latest", f"ghcr.io/me/app@{DIGEST}"),
        ("ghcr.io/me/app", f"ghcr.io/me/app@{DIGEST}"),
    ],
)
def test_what_a_glob_does_not_fit(glob: str, image: str) -> None:
    assert not fits(glob, image)


@pytest.mark.parametrize("glob", ["", "a b", "[a-z]*", ".+", "a?", "a\nb", "é", "a" * 513, "a#b", "(a)"])
def test_what_is_no_glob(glob: str) -> None:
    with pytest.raises(InvalidGlob):
        Glob(glob)


HUB = ["redis", "library/redis", "docker.io/redis", "docker.io/library/redis", "index.docker.io/redis"]
HUB += ["registry-1.docker.io/library/redis", "redis:latest", "docker.io/redis:latest", "index.docker.io/library/redis"]


@pytest.mark.parametrize(
    "glob",
    [
        "redis",
        "redis:latest",
        "library/*",
        "docker.io/**",
        "docker.io/redis",
        "docker.io/library/*",
        "*",
        "red*",
        "*/**",
    ],
)
def test_no_spelling_of_an_image_leaves_a_policy(glob: str) -> None:
    assert [image for image in HUB if not fits(glob, image)] == []


def test_spellings_name_one_image_only() -> None:
    for image in [*HUB, "some/one:v1", f"redis@{DIGEST}", "ghcr.io/me/app", "localhost/x:1", "docker.io/library/a/b"]:
        reference = Reference.parse(image)
        for text in spellings(reference, image):
            assert Reference.parse(text) == reference, text


def test_policies_come_by_name_and_once() -> None:
    policies = PolicySet([policy("b", "**", "ghcr.io/**"), policy("a", "ghcr.io/me/*"), policy("c", "quay.io/**")])
    assert found(policies, "ghcr.io/me/app") == ["a", "b"]
    assert found(policies, "ghcr.io/me/app") == ["a", "b"]  # as remembered
    assert found(policies, "quay.io/x") == ["b", "c"]
    assert not PolicySet()
    assert found(PolicySet(), "redis") == []


def reference_fit(glob: str, text: str) -> bool:
    """policy-controller's translation, written down independently, on Python's own expressions."""
    glob = {"*": "index.docker.io/library/*", "*/*": "index.docker.io/*/*"}.get(glob, glob)
    tokens = re.findall(r"\*\*|\*|[^*]+", glob)
    expression = "".join({"**": ".*", "*": "[^/]*"}.get(token, re.escape(token)) for token in tokens)
    return re.fullmatch(expression, text) is not None


def test_the_index_finds_what_a_pass_over_all_policies_finds() -> None:
    chance = random.Random(5)
    parts = ["ghcr.io", "quay.io", "a", "b", "ab", "*", "**", "a*", "*b", ":v1", "/", "/", "-"]
    globs = sorted({"".join(chance.choices(parts, k=chance.randint(1, 7))) for _ in range(200)})
    policies = PolicySet([policy(f"p{number:03}", glob) for number, glob in enumerate(globs)])
    hosts, names = ["ghcr.io/", "quay.io/", ""], ["a", "b", "ab", "aab", "a-b"]
    images = [f"{host}{one}/{two}{tag}" for host in hosts for one in names for two in names for tag in ("", ":v1")]
    hits = 0
    for image in images:
        texts = spellings(Reference.parse(image), image)
        expected = [
            f"p{number:03}" for number, glob in enumerate(globs) if any(reference_fit(glob, text) for text in texts)
        ]
        assert found(policies, image) == expected
        hits += len(expected)
    assert hits > 300  # so that agreement means something


def test_five_hundred_policies_do_not_slow_an_image_that_they_do_not_match() -> None:
    policies = PolicySet([policy(f"p{number}", f"ghcr.io/team{number}/**", f"q{number}.io/*") for number in range(500)])
    compared = 0

    class Counting(str):
        __slots__ = ()

        def startswith(self, *arguments: object) -> bool:  # type: ignore[override]
            nonlocal compared
            compared += 1
            return super().startswith(*arguments)  # type: ignore[arg-type]

    policies._collect(Counting("quay.io/some/app:v1"), set())
    assert compared <= 3


def test_a_hostile_glob_and_image_take_linear_time() -> None:
    glob = Glob("a*" * 120 + "**" + "a*" * 120 + "b")
    start = time.process_time()
    assert not glob.fits("a" * 255 + "c")
    assert not glob.fits("a" * 255 + "/b/" + "a" * 100 + "/b")
    assert time.process_time() - start < 0.5


def test_memory_of_images_is_bounded() -> None:
    policies = PolicySet([policy("p", "**")])
    for number in range(5000):
        found(policies, f"x{number}")
    assert len(policies._remembered) <= 4096


PODS = ResourceMatch(resource="pods", version="v1")


@pytest.mark.parametrize(
    "match,group,version,resource,expected",
    [
        (ResourceMatch(), "apps", "v1", "deployments", True),
        (PODS, "", "v1", "pods", True),
        (PODS, "apps", "v1", "deployments", False),
        (ResourceMatch("*", "*", "*"), "apps", "v1", "deployments", True),
        (ResourceMatch("apps", "v1", "deployments"), "apps", "v1", "deployments", True),
        (ResourceMatch("apps", "v1", "deployments"), "other", "v1", "deployments", False),
        (ResourceMatch("apps", "v2", "deployments"), "apps", "v1", "deployments", False),
        (ResourceMatch("apps", "*", "deployments"), "apps", "v9", "deployments", True),
        (ResourceMatch("", "", "jobs"), "batch", "v1", "jobs", True),
        (ResourceMatch("", "", "jobs"), "batch", "v1", "cronjobs", False),
    ],
)
def test_resources(match: ResourceMatch, group: str, version: str, resource: str, expected: bool) -> None:
    assert concerns(match, group, version, resource, ({},)) is expected


@pytest.mark.parametrize(
    "labels,expressions,expected",
    [
        ({}, (), True),
        ({"app": "x"}, (), True),
        ({"app": "y"}, (), False),
        ({"other": "x"}, (), False),
        ({}, (("app", "In", ("x", "y")),), True),
        ({}, (("app", "In", ("y",)),), False),
        ({}, (("none", "In", ("x",)),), False),
        ({}, (("app", "NotIn", ("x",)),), False),
        ({}, (("app", "NotIn", ("y",)),), True),
        ({}, (("none", "NotIn", ("x",)),), True),
        ({}, (("app", "Exists", ()),), True),
        ({}, (("none", "Exists", ()),), False),
        ({}, (("app", "DoesNotExist", ()),), False),
        ({}, (("none", "DoesNotExist", ()),), True),
        ({"app": "x"}, (("app", "In", ("y",)),), False),
        ({}, (("app", "Exists", ()), ("none", "Exists", ())), False),
        ({}, (("app", "Unheard", ()),), True),  # never lets an object out of a policy
    ],
)
def test_selectors(
    labels: dict[str, str], expressions: tuple[tuple[str, str, tuple[str, ...]], ...], expected: bool
) -> None:
    assert selects(ResourceMatch(match_labels=labels, match_expressions=expressions), {"app": "x"}) is expected


def test_either_labels_bring_an_object_under_a_policy() -> None:
    match = ResourceMatch(resource="deployments", match_labels={"team": "a"})
    policies = PolicySet([policy("p", "**", matches=(match,))])
    own, other = {"team": "a"}, {"team": "b"}
    for labels in itertools.product((own, other), repeat=2):
        assert found(policies, "redis", "deployments", labels) == (["p"] if own in labels else [])
    assert found(policies, "redis", "deployments") == []


def test_a_label_that_frees_must_be_on_both() -> None:
    match = ResourceMatch(match_expressions=(("skip", "DoesNotExist", ()),))
    policies = PolicySet([policy("p", "**", matches=(match,))])
    assert found(policies, "redis", labels=({"skip": ""}, {})) == ["p"]
    assert found(policies, "redis", labels=({"skip": ""}, {"skip": ""})) == []
    assert found(policies, "redis") == ["p"]


def test_one_entry_of_match_is_enough() -> None:
    policies = PolicySet([policy("p", "**", matches=(PODS, ResourceMatch("apps", "v1", "deployments")))])
    assert found(policies, "redis") == ["p"]
    assert found(policies, "redis", "deployments") == ["p"]
    assert found(policies, "redis", "jobs") == []

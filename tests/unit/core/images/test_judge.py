"""What image policies say about a pod, by their mode and the results of their proofs."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.images.judge import ImageRules, NoMatch, judge_images, needed, places
from app.core.images.matching import PolicySet
from app.core.images.policy import Authority, ImagePolicy, Mode, Static
from app.core.images.result import ImageResult
from app.core.unknown import Unknown
from tests.unit.core.reviews import POD, pod, request

IMAGE = "registry.example/app:1"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def rules(mode: Mode = "enforce", no_match: NoMatch = "allow", *, digest_required: bool = False) -> ImageRules:
    authorities = (Authority("a", Static("fail")),)
    policy = ImagePolicy("signed", ("registry.example/**",), authorities, mode=mode, digest_required=digest_required)
    return ImageRules(PolicySet([policy]), no_match)


def result(*, ok: bool, unknown: Unknown | None = None) -> dict[tuple[str, str], ImageResult]:
    reason = "" if ok else "not signed"
    return {(IMAGE, "signed"): ImageResult(IMAGE, DIGEST, "signed", ok, reason, unknown=unknown)}


def spec(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "app", "image": IMAGE}], **fields}


def test_every_place_that_names_an_image_counts() -> None:
    whole = pod(
        spec(
            initContainers=[{"name": "setup", "image": "a"}],
            ephemeralContainers=[{"name": "debug", "image": "b"}],
            volumes=[{"name": "models", "image": {"reference": "c"}}, {"name": "tmp", "emptyDir": {}}],
        )
    )
    assert [(place.path, place.image) for place in places(whole)] == [
        ("spec.initContainers[0].image", "a"),
        ("spec.containers[0].image", IMAGE),
        ("spec.ephemeralContainers[0].image", "b"),
        ("spec.volumes[0].image.reference", "c"),
    ]


@pytest.mark.parametrize("mode", ["enforce", "warn"])
def test_a_tag_that_should_be_a_digest_is_told_by_the_mode_of_the_policy(mode: Mode) -> None:
    found = judge_images(rules(mode, digest_required=True), request(POD, spec()), pod(spec()), None, result(ok=True))
    told, silent = (found.enforce, found.warn) if mode == "enforce" else (found.warn, found.enforce)
    assert [(finding.expected, finding.fix) for finding in told] == [
        ("name its digest", f"image: registry.example/app@{DIGEST}")
    ]
    assert silent == ()


def test_a_missing_or_unknown_result_is_no_proof() -> None:
    asked, judged = request(POD, spec()), pod(spec())
    (missing,) = judge_images(rules(), asked, judged, None, {}).enforce
    assert "was not checked in time" in missing.expected
    down = result(ok=False, unknown=Unknown("the registry does not answer"))
    (unknown,) = judge_images(rules(), asked, judged, None, down).enforce
    assert unknown.fix == "try again when the registry answers"


@pytest.mark.parametrize("no_match", ["deny", "warn", "allow"])
def test_an_image_that_no_policy_is_about(no_match: NoMatch) -> None:
    other = {"containers": [{"name": "app", "image": "elsewhere.example/app:1"}]}
    assert needed(rules(), request(POD, other), pod(other), None) == ()
    found = judge_images(rules(no_match=no_match), request(POD, other), pod(other), None, {})
    assert (len(found.enforce), len(found.warn)) == {"deny": (1, 0), "warn": (0, 1), "allow": (0, 0)}[no_match]


def test_what_no_runtime_can_pull_is_refused() -> None:
    broken = {"containers": [{"name": "app", "image": "Not/A/Reference"}]}
    (finding,) = judge_images(rules(), request(POD, broken), pod(broken), None, {}).enforce
    assert finding.path == "spec.containers[0].image"
    assert "no image reference" in finding.fix

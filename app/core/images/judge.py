"""Image policies in a review: which images need which proof, and what their results mean. Pure.

Every place of a pod that names an image counts: init, regular and ephemeral containers, and volumes of type image
(KEP-4639). An update is only asked about the images that it brings in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import msgspec

from app.core.envelope import AdmissionRequest
from app.core.finding import Finding, shown
from app.core.images.matching import PolicySet
from app.core.images.policy import ImagePolicy
from app.core.images.reference import InvalidReference, Reference
from app.core.images.result import ImageResult
from app.core.pod import Pod, name_of
from app.core.wire import Wire, present

CHECK: Final = "image-policy"
"""What stands for a check's id in findings about images."""

NoMatch = Literal["deny", "warn", "allow"]


@dataclass(frozen=True, slots=True)
class ImageRules:
    """The image policies of a snapshot."""

    policies: PolicySet
    no_match: NoMatch = "allow"
    """What becomes of an image that no policy is about."""


class Place(NamedTuple):
    """Where a pod names an image."""

    path: str
    image: str
    container: str
    volume: str


class ImageRequest(NamedTuple):
    """One proof that is needed."""

    reference: Reference
    image: str
    """As it was written."""
    policy: ImagePolicy


class ImageFindings(NamedTuple):
    """What the image policies say about a pod, by the mode of the policy."""

    enforce: tuple[Finding, ...] = ()
    warn: tuple[Finding, ...] = ()
    digests: Mapping[str, str] = {}
    """For each image that was proved, the digest that was."""


Results = Mapping[tuple[str, str], ImageResult]
"""Results by the image as it was written and the policy's name."""


class _ImageVolume(Wire):
    reference: str | None = None
    pull_policy: str | None = None


_image_volume: Final = msgspec.json.Decoder(_ImageVolume)


def places(pod: Pod) -> Iterator[Place]:
    """Give every image of a pod."""
    for container in pod.containers:
        if container.image:
            yield Place(pod.at(container, "image"), container.image, name_of(container), "")
    for index, volume in enumerate(pod.volumes):
        if present(volume.image):
            try:
                reference = _image_volume.decode(volume.image).reference
            except msgspec.MsgspecError:
                reference = ""
            if reference is not None:
                yield Place(pod.volume(index, "image.reference"), reference, "", volume.name or "")


def needed(rules: ImageRules, request: AdmissionRequest, pod: Pod, old: Pod | None) -> tuple[ImageRequest, ...]:
    """Say which proofs judging will ask for; images that the old pod names already need none."""
    wanted: dict[tuple[str, str], ImageRequest] = {}
    for place in _new_places(pod, old):
        try:
            reference = Reference.parse(place.image)
        except InvalidReference:
            continue
        for policy in _policies(rules, request, reference, place.image, pod.labels):
            wanted[place.image, policy.name] = ImageRequest(reference, place.image, policy)
    return tuple(wanted.values())


def judge_images(
    rules: ImageRules, request: AdmissionRequest, pod: Pod, old: Pod | None, results: Results
) -> ImageFindings:
    """Turn results into findings. A proof that is missing from the results counts as not given."""
    enforce: list[Finding] = []
    warn: list[Finding] = []
    digests: dict[str, str] = {}
    for place in _new_places(pod, old):
        try:
            reference = Reference.parse(place.image)
        except InvalidReference as error:
            enforce.append(_finding(place, "", "be a reference that a runtime can pull", error.summary))
            continue
        policies = _policies(rules, request, reference, place.image, pod.labels)
        if not policies and rules.no_match != "allow":
            unmatched = _finding(
                place, "", "be named by an image policy", "add a policy for it, or use an image that has one"
            )
            (enforce if rules.no_match == "deny" else warn).append(unmatched)
        for policy in policies:
            told = enforce if policy.mode == "enforce" else warn
            result = results.get((place.image, policy.name))
            if result is not None and result.ok:
                digests[place.image] = result.digest
                if policy.digest_required and not reference.digest:
                    fix = f"image: {reference.context}@{result.digest}"
                    told.append(_finding(place, "", "name its digest", fix))
            else:
                told.append(_refused(place, policy, result))
    return ImageFindings(tuple(enforce), tuple(warn), digests)


def _policies(
    rules: ImageRules,
    request: AdmissionRequest,
    reference: Reference,
    image: str,
    labels: Sequence[Mapping[str, str]],
) -> tuple[ImagePolicy, ...]:
    resource = request.resource
    if resource is None:
        return ()
    return rules.policies.policies_for(
        reference, image, resource.group or "", resource.version or "", resource.resource or "", labels
    )


def _new_places(pod: Pod, old: Pod | None) -> Iterator[Place]:
    if old is None:
        return places(pod)
    known = {place.image for place in places(old)}
    return (place for place in places(pod) if place.image not in known)


def _refused(place: Place, policy: ImagePolicy, result: ImageResult | None) -> Finding:
    if result is None:
        return _finding(place, "", f"satisfy image policy {policy.name!a}: it was not checked in time", "try again")
    if result.unknown is not None:
        fix = "try again when the registry answers"
        return _finding(
            place, result.digest, f"satisfy image policy {policy.name!a}: {result.reason or result.unknown.cause}", fix
        )
    fix = "use an image that is signed as the policy demands"
    return _finding(place, result.digest, f"satisfy image policy {policy.name!a}: {result.reason}", fix)


def _finding(place: Place, digest: str, expected: str, fix: str) -> Finding:
    value = f"{shown(place.image)} at {digest}" if digest and digest not in place.image else shown(place.image)
    return Finding(CHECK, place.path, value, expected, fix, container=place.container, volume=place.volume)

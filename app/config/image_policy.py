"""ClusterImagePolicy of policy.sigstore.dev, v1beta1 and v1alpha1: the shape, and what each part allows on its own.

The two versions differ in comments only. What a policy comes to mean is in `app.config.image_policy_compile`;
differences to sigstore's policy-controller are in docs/image-policies.md.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.config.image_authority import Authority
from app.config.model import LabelSelector, Many, Model, Resource, Text, Unset
from app.core.images.matching import Glob

MAX_IMAGES: Final = 256
MAX_AUTHORITIES: Final = 64
RESOURCES: Final = (
    "pods",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "replicationcontrollers",
    "podtemplates",
)
"""Resources with pods in them that are judged."""
_RESOURCE: Final = re.compile(r"(?:\*|[a-z][a-z0-9-]{0,252})\Z")  # noqa: TID251 - fixed and linear


def _glob(text: str) -> str:
    Glob(text)
    return text


class ImagePattern(Model):
    """One entry of `images`."""

    glob: Annotated[str, AfterValidator(_glob)] = Field(description="Pattern of full image names.")


class MatchResource(Model):
    """Which objects the policy concerns; absent fields stand for anything."""

    group: Text = ""
    version: Text = ""
    resource: Text = ""
    selector: LabelSelector | None = None

    @field_validator("resource")
    @classmethod
    def _plural(cls, text: str) -> str:
        lowered = text.lower()
        for known in RESOURCES:
            if text != known and lowered in (known, known.removesuffix("s")):
                raise ValueError(f"must be the plural in lower case, did you mean `{known}`?")
        if text and not _RESOURCE.match(text):
            raise ValueError("must be a resource's plural name in lower case, such as `pods`, without a subresource")
        return text

    @model_validator(mode="after")
    def _typed(self) -> MatchResource:
        if self.selector is not None and not (self.group or self.version or self.resource):
            raise ValueError("a selector requires a resource; add `resource: pods` and `version: v1`")
        return self


class ImagePolicySpec(Model):
    """What a ClusterImagePolicy asks for."""

    images: Many[ImagePattern] = ()
    authorities: Many[Authority] = ()
    policy: Any = None
    mode: Annotated[Literal["enforce", "warn"] | None, Unset] = None
    match: Many[MatchResource] = ()

    @field_validator("policy")
    @classmethod
    def _no_overall_policy(cls, value: object) -> None:
        if value is not None:
            raise ValueError(
                "a policy over all authorities is not supported here; give each attestation its own with `type: cel`"
            )

    @model_validator(mode="after")
    def _whole(self) -> ImagePolicySpec:
        if not self.images:
            raise ValueError("needs `images`: without any, the policy would concern nothing")
        if not self.authorities:
            raise ValueError("needs `authorities`: without any, nobody could vouch for an image")
        if len(self.images) > MAX_IMAGES or len(self.authorities) > MAX_AUTHORITIES:
            raise ValueError(f"has more than {MAX_IMAGES} images or {MAX_AUTHORITIES} authorities")
        return self


class ClusterImagePolicy(Resource):
    """Who must have signed the images that match."""

    spec: ImagePolicySpec

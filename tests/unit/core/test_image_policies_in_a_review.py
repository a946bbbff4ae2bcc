"""Image policies beside the Pod Security Standards: who is asked about, and what their findings do to a decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.core.decision import Decision
from app.core.facts import Facts, Unknown
from app.core.images.judge import ImageRules
from app.core.images.matching import PolicySet
from app.core.images.policy import Authority, ImagePolicy, Mode, Static
from app.core.images.result import ImageResult
from app.core.plan import Modes, Snapshot
from app.core.review import images_needed, judge
from tests.unit.core.reviews import (
    BAD_SPEC,
    DEPLOYMENT,
    GOOD_SPEC,
    POD,
    Kind,
    answer,
    namespace_request,
    request,
    snapshot,
)

IMAGE = "registry.example/app:1"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
PATH = "spec.containers[0].image"
REPLICATION_CONTROLLER = Kind("", "replicationcontrollers", "ReplicationController", "spec.template.")


def by(mode: Mode = "enforce", enforce: str = "privileged", **fields: Any) -> Snapshot:
    policy = ImagePolicy("signed", ("registry.example/**",), (Authority("a", Static("fail")),), mode=mode)
    return replace(snapshot(enforce, **fields), images=ImageRules(PolicySet([policy])))


def facts(*, ok: bool) -> Facts:
    return Facts(images={(IMAGE, "signed"): ImageResult(IMAGE, DIGEST, "signed", ok, "" if ok else "not signed")})


def updated(kind: Kind, image: str, **fields: Any) -> Any:
    """An update of an object from `image` to the image of `GOOD_SPEC`."""
    spec = msgspec.json.decode(msgspec.json.encode(GOOD_SPEC))
    spec["containers"][0]["image"] = image
    return request(kind, GOOD_SPEC, **{"operation": "UPDATE", "oldObject": kind.object(None, spec), **fields})


def found(decision: Decision) -> dict[str, list[tuple[str, str]]]:
    verdicts = {"enforce": decision.enforce, "warn": decision.warn, "audit": decision.audit}
    return {mode: [(each.check, each.path) for each in verdict.findings] for mode, verdict in verdicts.items()}


# --- which images are asked about -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [POD, DEPLOYMENT, REPLICATION_CONTROLLER])
def test_the_images_of_a_new_object_need_a_proof(kind: Kind) -> None:
    (need,) = images_needed(request(kind, GOOD_SPEC), by())
    assert (need.image, need.policy.name) == (IMAGE, "signed")


@pytest.mark.parametrize("kind", [POD, DEPLOYMENT])
def test_an_update_needs_a_proof_of_new_images_only(kind: Kind) -> None:
    assert [need.image for need in images_needed(updated(kind, "registry.example/app:0"), by())] == [IMAGE]
    assert images_needed(updated(kind, IMAGE), by()) == ()


@pytest.mark.parametrize(
    "asked",
    [
        request(POD, GOOD_SPEC, operation="DELETE"),
        request(POD, GOOD_SPEC, operation="CONNECT"),
        request(POD, GOOD_SPEC, requestSubResource="status"),
        request(DEPLOYMENT, GOOD_SPEC, requestSubResource="scale"),
        request(POD, GOOD_SPEC, resource={"group": "", "version": "v1", "resource": "services"}),
        request(POD, object={"spec": 1}),
        request(DEPLOYMENT, object={"spec": {"template": 1}}),
        request(REPLICATION_CONTROLLER, object={"spec": {}}),
        namespace_request({}),
        updated(POD, "x", oldObject={"spec": 1}),
        updated(DEPLOYMENT, "x", oldObject={"spec": 1}),
    ],
)
def test_what_holds_no_images_or_cannot_be_read_needs_no_proof(asked: Any) -> None:
    assert images_needed(asked, by()) == ()


def test_an_exempt_namespace_needs_no_proof_and_an_exempt_user_does() -> None:
    asked = request(POD, GOOD_SPEC)
    assert images_needed(asked, by(exempt_namespaces=frozenset({"shop"}))) == ()
    assert len(images_needed(asked, by(exempt_usernames=frozenset({"ada"})))) == 1


def test_without_image_policies_nothing_needs_a_proof() -> None:
    assert images_needed(request(POD, GOOD_SPEC), snapshot()) == ()


# --- what they do to a decision ---------------------------------------------------------------------------------------


def test_a_proved_image_is_allowed_and_its_digest_told() -> None:
    asked = request(POD, GOOD_SPEC)
    decision = judge(asked, by(), facts(ok=True))
    assert decision == Decision(
        request=asked, allowed=True, modes=Modes(), enforced=True, digests=((IMAGE, DIGEST),), prefix=""
    )


@pytest.mark.parametrize("known", [facts(ok=False), Facts()])
def test_an_image_without_its_proof_is_refused(known: Facts) -> None:
    asked = request(POD, GOOD_SPEC)
    decision = judge(asked, by(), known)
    assert (decision.allowed, decision.request, decision.modes, decision.digests) == (False, asked, Modes(), ())
    told = [("image-policy", PATH)]
    assert found(decision) == {"enforce": told, "warn": [], "audit": told}
    assert answer(decision)["allowed"] is False


def test_a_policy_that_warns_allows_and_warns() -> None:
    decision = judge(request(POD, GOOD_SPEC), by("warn"), facts(ok=False))
    told = [("image-policy", PATH)]
    assert (decision.allowed, found(decision)) == (True, {"enforce": [], "warn": told, "audit": told})
    assert len(answer(decision)["warnings"]) == 1


def test_a_controller_is_warned_about_at_the_path_of_its_template() -> None:
    decision = judge(request(DEPLOYMENT, GOOD_SPEC), by(), facts(ok=False))
    told = [("image-policy", "spec.template.spec.containers[0].image")]
    assert (decision.allowed, found(decision)) == (True, {"enforce": [], "warn": told, "audit": told})
    assert decision.prefix == "spec.template."


def test_a_controller_is_refused_where_controllers_are() -> None:
    decision = judge(request(DEPLOYMENT, GOOD_SPEC), by(enforce_controllers=True), facts(ok=False))
    told = [("image-policy", "spec.template.spec.containers[0].image")]
    assert (decision.allowed, found(decision)) == (False, {"enforce": told, "warn": [], "audit": told})


def test_findings_about_images_come_after_those_about_the_pod() -> None:
    decision = judge(request(POD, BAD_SPEC), by(enforce="baseline", audit="baseline", warn="baseline"), facts(ok=False))
    told = [("host-namespaces", "spec.hostNetwork"), ("image-policy", PATH)]
    assert (decision.allowed, found(decision)) == (False, {"enforce": told, "warn": [], "audit": told})
    assert decision.modes == by(enforce="baseline", audit="baseline", warn="baseline").defaults


def test_a_pod_that_is_refused_stays_refused_whatever_its_images_are() -> None:
    decision = judge(request(POD, BAD_SPEC), by(enforce="baseline"), facts(ok=True))
    assert (decision.allowed, found(decision)["enforce"]) == (False, [("host-namespaces", "spec.hostNetwork")])


def test_what_cannot_be_judged_stays_refused_for_its_own_reason() -> None:
    known = Facts(labels=Unknown("no answer"), images=facts(ok=False).images)
    decision = judge(request(POD, GOOD_SPEC), by(), known)
    assert decision.refusal is not None
    assert (decision.allowed, found(decision)["enforce"]) == (False, [])


@pytest.mark.parametrize("exempt", [{"exempt_usernames": frozenset({"ada"})}, {}])
def test_exempt_users_are_no_exemption_from_image_policies(exempt: dict[str, Any]) -> None:
    assert not judge(request(POD, GOOD_SPEC), by(**exempt), facts(ok=False)).allowed


@pytest.mark.parametrize(
    "asked",
    [
        request(POD, GOOD_SPEC, requestSubResource="status"),
        request(DEPLOYMENT, GOOD_SPEC, requestSubResource="scale"),
        updated(POD, IMAGE),
        updated(DEPLOYMENT, IMAGE),
    ],
)
def test_what_brings_in_no_image_is_allowed_without_a_word(asked: Any) -> None:
    decision = judge(asked, by(), facts(ok=False))
    assert (decision.allowed, found(decision)) == (True, {"enforce": [], "warn": [], "audit": []})


def test_an_exempt_namespace_is_exempt_from_image_policies() -> None:
    decision = judge(request(POD, GOOD_SPEC), by(exempt_namespaces=frozenset({"shop"})), facts(ok=False))
    assert (decision.allowed, decision.exemption, found(decision)["audit"]) == (True, "namespace", [])


def test_a_controller_without_a_template_has_no_images() -> None:
    asked = request(REPLICATION_CONTROLLER, object={"spec": {}})
    assert judge(asked, by(), facts(ok=False)) == judge(asked, snapshot(), Facts())


@pytest.mark.parametrize("kind", [POD, DEPLOYMENT])
def test_an_old_object_that_cannot_be_read_is_refused_by_its_name(kind: Kind) -> None:
    asked = updated(kind, "x", oldObject={"metadata": 1})
    decision = judge(asked, by(enforce_controllers=True), facts(ok=True))
    assert decision.refusal is not None
    assert decision.refusal.message.startswith("cannot judge this request: oldObject does not have the fields")


@pytest.mark.parametrize("kind", [POD, DEPLOYMENT])
def test_a_new_object_that_cannot_be_read_is_refused_by_its_name(kind: Kind) -> None:
    decision = judge(request(kind, object={"metadata": 1}), by(enforce_controllers=True), facts(ok=True))
    assert decision.refusal is not None
    assert decision.refusal.message.startswith("cannot judge this request: object does not have the fields")

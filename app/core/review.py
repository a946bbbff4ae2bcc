"""The pure walk: a request, a snapshot and facts in, a decision out.

Order and short cuts are those of Pod Security Admission: exemptions come before look-ups, look-ups before decoding.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import Final

import msgspec

from app.core import message
from app.core.decision import Decision, Refusal
from app.core.envelope import AdmissionRequest, AdmissionReview
from app.core.evaluate import CLEAN, Verdict, evaluate
from app.core.facts import Facts, PodList
from app.core.images.judge import ImageRequest, judge_images, needed
from app.core.plan import Labelled, Modes, Snapshot, labelled
from app.core.pod import Pod
from app.core.target import (
    CONTROLLERS,
    IGNORED_SUBRESOURCES,
    Controller,
    is_significant_update,
    namespace_labels,
    pod_object,
    template_of,
    versions_of,
    view,
)
from app.core.unknown import Unknown
from app.core.version import Level, LevelVersion
from app.errors import MalformedReview

API_VERSION: Final = "admission.k8s.io/v1"


class Need(Flag):
    """Facts that a request cannot be judged without."""

    NOTHING = 0
    NAMESPACE = auto()
    """Labels of the request's namespace."""
    PODS = auto()
    """The existing pods of the namespace under review."""


def request_of(review: AdmissionReview) -> AdmissionRequest:
    """Give the request of a review. Raises MalformedReview: another version or kind, no request, no uid."""
    if review.api_version != API_VERSION or review.kind != "AdmissionReview":
        found = f"{review.kind or 'no kind'} of {review.api_version or 'no apiVersion'}"
        msg = f"expected AdmissionReview of {API_VERSION}, not {message.one_line(found, 120)}"
        raise MalformedReview(msg)
    if review.request is None:
        msg = "the AdmissionReview has no request"
        raise MalformedReview(msg)
    if not review.request.uid:
        msg = "the request has no uid"
        raise MalformedReview(msg)
    return review.request


def needs(request: AdmissionRequest, snapshot: Snapshot) -> Need:
    """Say which facts to gather before `judge`. Never raises: what is malformed needs nothing and is refused there."""
    if request.operation not in ("CREATE", "UPDATE"):
        return Need.NOTHING
    resource = _resource(request)
    if resource == _NAMESPACES:
        return Need.PODS if _raises_level(request, snapshot) else Need.NOTHING
    controller = CONTROLLERS.get(resource)
    if (controller is None and resource != _PODS) or _is_ignored(request, controller) or _exemption(request, snapshot):
        return Need.NOTHING
    return Need.NAMESPACE


def images_needed(request: AdmissionRequest, snapshot: Snapshot) -> tuple[ImageRequest, ...]:
    """Say which images must be proved before `judge`. Never raises: what is malformed is refused there."""
    rules, resource = snapshot.images, _resource(request)
    controller = CONTROLLERS.get(resource)
    if rules is None or (controller is None and resource != _PODS) or _without_images(request, controller, snapshot):
        return ()
    try:
        pod, old = versions_of(request, controller)
    except MalformedReview:
        return ()
    return () if pod is None else needed(rules, request, pod, old)


def judge(request: AdmissionRequest, snapshot: Snapshot, facts: Facts) -> Decision:
    """Decide. Never raises for any request that `request_of` let pass; what cannot be judged is refused."""
    if request.operation not in ("CREATE", "UPDATE"):
        if request.operation in ("DELETE", "CONNECT"):
            return Decision(request=request, allowed=True)
        return _refuse(request, 400, "BadRequest", f"cannot judge the operation {message.quoted(request.operation)}")
    resource = _resource(request)
    try:
        if resource == _NAMESPACES:
            return _judge_namespace(request, snapshot, facts)
        controller = CONTROLLERS.get(resource)
        if controller is not None or resource == _PODS:
            decision = _judge_workload(request, controller, snapshot, facts)
            return decision if snapshot.images is None else _with_images(decision, controller, snapshot, facts)
    except MalformedReview as error:
        return _refuse(request, 400, "BadRequest", f"cannot judge this request: {error.summary}")
    what = message.quoted(".".join(part for part in (resource[1], resource[0]) if part))
    return _refuse(
        request,
        400,
        "BadRequest",
        f"cannot judge {what}: only pods, the built-in controllers of pods and namespaces; narrow the webhook's rules",
    )


_PODS: Final = ("", "pods")
_NAMESPACES: Final = ("", "namespaces")


def _resource(request: AdmissionRequest) -> tuple[str, str]:
    resource = request.resource
    return ("", "") if resource is None else (resource.group or "", resource.resource or "")


def _is_ignored(request: AdmissionRequest, controller: Controller | None) -> bool:
    """Whether the subresource cannot change a pod: some of pods', all of controllers'."""
    subresource = request.request_sub_resource or ""
    return subresource in IGNORED_SUBRESOURCES if controller is None else subresource != ""


def _exemption(request: AdmissionRequest, snapshot: Snapshot) -> str:
    if request.namespace in snapshot.exempt_namespaces:
        return "namespace"
    user = request.user_info
    if user is not None and user.username in snapshot.exempt_usernames:
        return "user"
    return ""


def _refuse(request: AdmissionRequest, code: int, reason: str, text: str) -> Decision:
    return Decision(request=request, allowed=False, refusal=Refusal(code, reason, text), error=text)


def _judge_workload(  # noqa: PLR0911 - one for each short cut
    request: AdmissionRequest, controller: Controller | None, snapshot: Snapshot, facts: Facts
) -> Decision:
    """Judge a pod, or the template of a controller; a controller's pods meet the enforce mode themselves, later."""
    if _is_ignored(request, controller):
        return Decision(request=request, allowed=True)
    exemption = _exemption(request, snapshot)
    if exemption:
        return Decision(request=request, allowed=True, exemption=exemption)
    enforced = controller is None or snapshot.enforce_controllers
    if isinstance(facts.labels, Unknown):
        if enforced:
            return _refuse(request, 500, "InternalError", f"cannot judge this request: {facts.labels.cause}")
        return Decision(request=request, allowed=True, error=facts.labels.cause)
    policy = labelled(facts.labels, snapshot.defaults)
    if not policy.errors and all(mode.level is Level.PRIVILEGED for mode in policy.modes[not enforced :]):
        return Decision(request=request, allowed=True, modes=Modes(), enforced=enforced)
    pod = _changed_pod(request) if controller is None else template_of(request, controller)
    if pod is None:
        return Decision(request=request, allowed=True)
    return _apply(request, pod, policy, snapshot, enforced=enforced)


def _changed_pod(request: AdmissionRequest) -> Pod | None:
    """Decode the pod; None where an update changes nothing that matters."""
    pod = pod_object(request.object, "object")
    if request.operation == "UPDATE" and not is_significant_update(pod, pod_object(request.old_object, "oldObject")):
        return None
    return view(pod)


def _without_images(request: AdmissionRequest, controller: Controller | None, snapshot: Snapshot) -> bool:
    """Whether image policies do not concern a request; exempt users and runtime classes are no exemption from them."""
    return (
        request.operation not in ("CREATE", "UPDATE")
        or _is_ignored(request, controller)
        or request.namespace in snapshot.exempt_namespaces
    )


def _with_images(decision: Decision, controller: Controller | None, snapshot: Snapshot, facts: Facts) -> Decision:
    """Add what the image policies say; a controller's pods meet those that enforce when they are created."""
    request = decision.request
    if snapshot.images is None or decision.refusal is not None or _without_images(request, controller, snapshot):
        return decision
    pod, old = versions_of(request, controller)
    if pod is None:
        return decision
    found = judge_images(snapshot.images, request, pod, old, facts.images)
    enforced = controller is None or snapshot.enforce_controllers
    enforce = found.enforce if enforced else ()
    warn = found.warn if enforced else (*found.enforce, *found.warn)
    allowed = decision.allowed and not enforce
    return msgspec.structs.replace(
        decision,
        allowed=allowed,
        modes=decision.modes or Modes(),
        prefix=pod.prefix,
        enforce=decision.enforce.plus(enforce),
        warn=decision.warn.plus(warn) if allowed else CLEAN,
        audit=decision.audit.plus((*found.enforce, *found.warn)),
        digests=tuple(found.digests.items()),
    )


def _apply(request: AdmissionRequest, pod: Pod, policy: Labelled, snapshot: Snapshot, *, enforced: bool) -> Decision:
    if pod.spec.runtime_class_name in snapshot.exempt_runtime_classes:
        return Decision(request=request, allowed=True, exemption="runtimeClass")
    modes = policy.modes
    verdicts: dict[LevelVersion, Verdict] = {}
    for mode in modes if enforced else modes[1:]:
        if mode not in verdicts:
            verdicts[mode] = evaluate(snapshot.rules_of(mode), pod)
    enforce = verdicts[modes.enforce] if enforced else CLEAN
    return Decision(
        request=request,
        allowed=enforce.clean,
        modes=modes,
        enforced=enforced,
        enforce=enforce,
        audit=verdicts[modes.audit],
        # A denial carries no warnings: the user reads one list, not two.
        warn=verdicts[modes.warn] if enforce.clean else CLEAN,
        prefix=pod.prefix,
        label_errors=policy.errors,
        error=message.label_errors(policy.errors) if policy.errors else "",
    )


def _raises_level(request: AdmissionRequest, snapshot: Snapshot) -> bool:
    """Whether an update of a namespace enforces more than before, so that its existing pods deserve a look."""
    if request.operation != "UPDATE" or request.request_sub_resource or request.namespace in snapshot.exempt_namespaces:
        return False
    try:
        new = labelled(namespace_labels(request.object, "object"), snapshot.defaults)
        old = labelled(namespace_labels(request.old_object, "oldObject"), snapshot.defaults)
    except MalformedReview:
        return False
    return not _new_errors(new, old) and _is_stricter(new.modes.enforce, old.modes.enforce)


def _new_errors(new: Labelled, old: Labelled) -> bool:
    return bool(new.errors) and new.errors != old.errors


def _is_stricter(new: LevelVersion, old: LevelVersion) -> bool:
    if new == old or new.level is Level.PRIVILEGED:
        return False
    return new.version != old.version or new.level.rank > old.level.rank


def _judge_namespace(request: AdmissionRequest, snapshot: Snapshot, facts: Facts) -> Decision:  # noqa: PLR0911 - as above
    if request.request_sub_resource:
        return Decision(request=request, allowed=True)
    labels = namespace_labels(request.object, "object")
    new = labelled(labels, snapshot.defaults)
    exempt = request.namespace in snapshot.exempt_namespaces and bool(request.namespace)
    ignored = message.ignored_labels(request, new.modes, snapshot.defaults, labels) if exempt else ()
    if request.operation == "CREATE":
        if new.errors:
            return Decision(request=request, allowed=False, label_errors=new.errors)
        return Decision(request=request, allowed=True, warnings=ignored)
    old = labelled(namespace_labels(request.old_object, "oldObject"), snapshot.defaults)
    if _new_errors(new, old):
        return Decision(request=request, allowed=False, label_errors=new.errors)
    if not _is_stricter(new.modes.enforce, old.modes.enforce):
        return Decision(request=request, allowed=True)
    if exempt:
        return Decision(request=request, allowed=True, warnings=ignored)
    return Decision(
        request=request, allowed=True, warnings=_existing_pods(request, new.modes.enforce, snapshot, facts.pods)
    )


def _existing_pods(
    request: AdmissionRequest, enforce: LevelVersion, snapshot: Snapshot, pods: PodList | Unknown | None
) -> tuple[str, ...]:
    """Warn about pods that the new level would refuse."""
    if pods is None:
        return ()
    if isinstance(pods, Unknown):
        return (message.one_line(f"existing pods were not checked against the new enforce level: {pods.cause}"),)
    rules = snapshot.rules_of(enforce)
    by_checks: dict[str, list[str]] = {}
    unread = 0
    for raw in pods.pods:
        try:
            pod = pod_object(raw, "pod")
        except MalformedReview:
            unread += 1
            continue
        if pod.spec is not None and pod.spec.runtime_class_name in snapshot.exempt_runtime_classes:
            continue
        verdict = evaluate(rules, view(pod))
        if not verdict.clean:
            broken = {*(f.check for f in verdict.findings), *(f.check for f in verdict.faults)}
            name = (pod.metadata and pod.metadata.name) or ""
            by_checks.setdefault(", ".join(sorted(broken)), []).append(name)
    return message.existing_pods(request, enforce, by_checks, checked=len(pods.pods) - unread, total=pods.total)

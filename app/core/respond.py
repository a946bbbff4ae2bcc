"""From a decision to the bytes of the AdmissionReview that answers it (admission.k8s.io/v1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from app.core import message
from app.core.decision import Decision
from app.core.version import LevelVersion

_encode: Final = msgspec.json.Encoder().encode
_HEAD: Final = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":'
_ALLOWED: Final = b',"allowed":true}}'


def respond(decision: Decision) -> bytes:
    """Encode the answer; what most requests get is put together from parts made before."""
    uid = _encode(decision.request.uid)
    if decision.allowed and not (
        decision.exemption
        or decision.error
        or decision.warnings
        or decision.warn.findings
        or decision.audit.findings
        or decision.warn.faults
        or decision.audit.faults
    ):
        return _HEAD + uid + (_allowed_by(decision.modes.enforce) if decision.enforced and decision.modes else _ALLOWED)
    body: dict[str, Any] = {"allowed": decision.allowed}
    if not decision.allowed:
        body["status"] = _status(decision)
    annotations = _annotations(decision)
    if annotations:
        body["auditAnnotations"] = annotations
    warnings = list(decision.warnings)
    if decision.modes is not None and not decision.warn.clean:
        warnings += message.warnings(decision.modes.warn, decision.warn)
    if warnings:
        body["warnings"] = warnings
    return _HEAD + uid + b"," + _encode(body)[1:] + b"}"


@lru_cache(maxsize=1024)
def _allowed_by(enforce: LevelVersion) -> bytes:
    return b',"allowed":true,"auditAnnotations":{"enforce-policy":"%s"}}}' % str(enforce).encode()


def _status(decision: Decision) -> dict[str, Any]:
    request = decision.request
    details: dict[str, Any] = {"name": request.name or ""}
    if decision.refusal is not None:
        code, reason, text = decision.refusal.code, decision.refusal.reason, decision.refusal.message
        return {"status": "Failure", "message": text, "reason": reason, "code": code}
    if decision.modes is None:
        # kubectl prints the causes of an Invalid and drops its message, which suits labels and nothing else.
        text, details["causes"] = message.invalid_namespace(request, decision.label_errors)
        details["kind"] = "Namespace"
        return {"status": "Failure", "message": text, "reason": "Invalid", "details": details, "code": 422}
    if request.resource is not None:
        details["group"] = request.resource.group or ""
        details["kind"] = request.resource.resource or ""
    details["causes"] = message.causes(decision.enforce)
    code, reason = (403, "Forbidden") if decision.enforce.findings else (500, "InternalError")
    text = message.denial(request, decision.modes.enforce, decision.enforce)
    return {"status": "Failure", "message": text, "reason": reason, "details": details, "code": code}


def _annotations(decision: Decision) -> dict[str, str]:
    annotations: dict[str, str] = {}
    if decision.enforced and decision.modes is not None:
        annotations["enforce-policy"] = str(decision.modes.enforce)
    if decision.modes is not None and not decision.audit.clean:
        annotations["audit-violations"] = message.violations(decision.modes.audit, decision.audit)
        annotations["audit-checks"] = message.broken_checks(decision.audit)
    if decision.exemption:
        annotations["exempt"] = decision.exemption
    if decision.error:
        annotations["error"] = message.one_line(decision.error, message.MAX_ANNOTATION)
    return annotations

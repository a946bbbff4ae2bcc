"""The outcome of one review, as data: what the answer, the metrics and the logs are made from."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from app.core.envelope import AdmissionRequest
from app.core.evaluate import CLEAN, Verdict
from app.core.plan import LabelError, Modes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A denial that no check made: a request or a fact that cannot be judged."""

    code: int
    """HTTP status code for `status.code`, such as 400 or 500."""
    reason: str
    """Kubernetes' reason for that code, such as `BadRequest`."""
    message: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Allowed or not, and why. `enforce`, `audit` and `warn` hold what each mode found.

    A struct, not a dataclass: one is made for every request, and its constructor runs in C.
    """

    request: AdmissionRequest
    allowed: bool
    modes: Modes | None = None
    """The policy that was applied; None where none was consulted."""
    enforced: bool = False
    """Whether the enforce mode was judged: pods always, controllers only by setting."""
    enforce: Verdict = CLEAN
    audit: Verdict = CLEAN
    warn: Verdict = CLEAN
    prefix: str = ""
    """Path of the pod template in the object."""
    exemption: str = ""
    """`user`, `namespace` or `runtimeClass` where an exemption let the request pass unjudged."""
    label_errors: tuple[LabelError, ...] = ()
    """Namespace labels that mean nothing; they refuse a namespace that sets them anew."""
    refusal: Refusal | None = None
    error: str = ""
    """What could not be looked up or understood, where that did not refuse the request."""
    digests: tuple[tuple[str, str], ...] = ()
    """Images that were proved, with the digest that was."""
    warnings: tuple[str, ...] = ()
    """Further warnings, each one line."""

"""Image signatures by cosign before version 3: a small JSON payload as a layer, everything else in its annotations."""

import datetime as dt
from collections.abc import Mapping

from app.core.images.policy import Key, Keyless, LogDuty, StampDuty
from app.images.trust import legacy, statement, strict
from app.images.trust.errors import Code, fenced, refuse
from app.images.trust.evidence import Evidence, conclude, judge
from app.images.trust.root import TrustRoot
from app.images.trust.signed import Signed, Terms, Verified


@fenced("the signature cannot be verified")
def verify_simple_signing(  # noqa: PLR0913 - the terms are the public contract
    payload: bytes,
    annotations: Mapping[str, str],
    *,
    root: TrustRoot | None,
    by: Keyless | Key,
    digest: str,
    log: LogDuty,
    timestamps: StampDuty,
    now: dt.datetime,
) -> Verified:
    """Verify a layer of a `.sig` manifest against the digest of the image.

    Raises:
        TrustError: the check that failed.
    """
    encoded = annotations.get(legacy.SIGNATURE)
    if not encoded:
        refuse(Code.SIGNATURE, "the layer has no signature annotation")
    signed = Signed(payload, strict.unbase64(encoded, "the signature annotation"), payload, dsse=False)
    proof = judge(Evidence(signed, *legacy.credentials(annotations)), Terms(root, by, log, timestamps, now))
    return conclude(proof, payload, lambda: ("", statement.check_simple(payload, digest)))

"""Where Pratique's verdict is meant to differ from cosign's, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.sigstore.agreement import PARTIAL, STAMPS, Outcome
from tests.sigstore.rows import SIGNATURE

Test = Callable[[Outcome], bool]


def _only_cosign(outcome: Outcome) -> bool:
    return outcome.theirs.code == 0 and outcome.code == 1


def _partial_match(outcome: Outcome) -> bool:
    return _only_cosign(outcome) and outcome.combination.who.name == PARTIAL


def _attestation_as_signature(outcome: Outcome) -> bool:
    image = outcome.combination.image
    other = image.row.format == "bundle" and image.row.content != SIGNATURE and image.content == SIGNATURE
    return _only_cosign(outcome) and other and "not an image signature" in outcome.reason


def _no_timestamp(outcome: Outcome) -> bool:
    asked = STAMPS in outcome.combination.flags and outcome.combination.image.row.format == "legacy"
    return _only_cosign(outcome) and asked and "the signature has no RFC 3161 timestamp" in outcome.reason


def _stamped_envelope(outcome: Outcome) -> bool:
    row = outcome.combination.image.row
    concerned = row.format == "legacy" and row.content != SIGNATURE and row.trust.endswith("tsa")
    said = "unable to verify RFC3161 timestamp bundle: expected at least one verified timestamp"
    return concerned and outcome.code == 0 and outcome.theirs.code != 0 and said in outcome.theirs.complaint


DIFFERENCES: Mapping[str, Test] = {
    "`--use-signed-timestamps`, legacy format: cosign checks a timestamp if one is there, Pratique demands one.": (
        _no_timestamp
    ),
    "`cosign verify` counts a bundle with any attestation as a signature; Pratique one with cosign's signature type.": (
        _attestation_as_signature
    ),
    "cosign's expressions match a part of the text, Pratique's the whole.": _partial_match,
    "cosign 3.1 stamps the signature of a legacy attestation, but verifies a stamp of its envelope, so that it refuses "
    "its own output; Pratique accepts either.": _stamped_envelope,
}
"""By what they are, in the words of docs/image-matrix.md."""


def explanation(outcome: Outcome) -> str:
    """Why the two verdicts differ; '' where nothing explains it."""
    return next((text for text, applies in DIFFERENCES.items() if applies(outcome)), "")

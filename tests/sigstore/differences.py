"""Where Pratique's verdict is meant to differ from cosign's, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.sigstore.agreement import Outcome

Test = Callable[[Outcome], bool]
DIFFERENCES: Sequence[tuple[str, Test]] = ()


def explanation(outcome: Outcome) -> str:
    """Why the two verdicts differ; '' where nothing explains it."""
    return next((text for text, applies in DIFFERENCES if applies(outcome)), "")

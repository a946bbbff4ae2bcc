"""The words of a verdict: what was expected, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.core.images.policy import Authority, Identity, ImagePolicy, Key, Keyless, Static
from app.core.images.result import Found
from app.images.trust import key as keys
from app.images.trust.errors import TrustError, show

LISTED: Final = 3
"""How many signatures, signers or places a reason lists before it counts."""
_PLACES: Final = {
    "referrers": "a referrer",
    "fallback-tag": "the fallback tag's index",
    "sig-tag": "the tag .sig",
    "att-tag": "the tag .att",
}
_MARKS: Final = ("; the policy expects", ", the policy expects")
"""What follows in a refusal of the trust core is what was expected."""


def place(where: str) -> str:
    """Where a signature was found, for people."""
    return _PLACES.get(where, where)


def expected(policy: ImagePolicy) -> str:
    """What would satisfy a policy, by the signers that it names."""
    return listed([authority(one) for one in policy.authorities], " or ")


def authority(one: Authority) -> str:
    """What would satisfy an authority."""
    who = signers(one.by)
    if not one.attestations:
        return f"a signature by {who}" if not isinstance(one.by, Static) else who
    wanted = listed([show(attestation.predicate_type) for attestation in one.attestations], " and ")
    return f"an attestation of type {wanted} by {who}"


def signers(by: Keyless | Key | Static) -> str:
    """Whose signatures count."""
    if isinstance(by, Static):
        return "any image" if by.action == "pass" else "no image at all"
    if isinstance(by, Key):
        try:
            return listed([keys.name(key) for key in keys.from_pem(by.pem)], " or ")
        except TrustError:
            return "a key that cannot be read"
    return listed([_identity(one) for one in by.identities], " or ") or "nobody"


def _identity(one: Identity) -> str:
    def side(exact: str, expression: str) -> str:
        return show(exact) if exact else f"one matching {show(expression)}"

    return f"{side(one.subject, one.subject_regexp)} (issuer {side(one.issuer, one.issuer_regexp)})"


def listed(texts: Sequence[str], joint: str) -> str:
    """The first few texts, joined, and how many more there are."""
    texts = list(dict.fromkeys(texts))
    more = f"{joint}{len(texts) - LISTED} more" if len(texts) > LISTED else ""
    return joint.join(texts[:LISTED]) + more


def unsigned(policy: ImagePolicy, contexts: Sequence[str], places: Sequence[str]) -> str:
    """Nothing was found at all."""
    looked = ", ".join(dict.fromkeys(places))
    return (
        f"it is not signed: nothing was found in {listed(contexts, ' and ')} (looked at {looked}); "
        f"the policy expects {expected(policy)}"
    )


def refused(policy: ImagePolicy, found: Sequence[Found], missing: Sequence[str], *, more: bool) -> str:
    """Something was found, and none of it counts; `missing` says what else is not there."""
    bad = [one for one in found if not one.counted]
    texts = [_told(one) for one in bad]
    parts = list(dict.fromkeys(missing))
    if texts:
        one = "what was found as a signature does not count"
        parts.append(f"{one if len(bad) == 1 else f'none of {len(bad)} signatures counts'}: {listed(texts, '; ')}")
    if more:
        parts.append(f"only the first {len(found)} were looked at, remove signatures that are not needed")
    return f"{'; '.join(parts)}; the policy expects {expected(policy)}"


def cause(error: TrustError) -> str:
    """Why something does not count, without what was expected: that is told once, for all."""
    for mark in _MARKS:
        error_text, found, _ = error.summary.partition(mark)
        if found:
            return error_text
    return error.summary


def _told(one: Found) -> str:
    by = ""
    if one.identity and one.identity not in one.why_not:
        by = f", by {show(one.identity)}" + (f" (issuer {show(one.issuer)})" if one.issuer else "")
    return f"{one.kind} in {place(one.where)}{by}: {one.why_not}"

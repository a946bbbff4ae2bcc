"""cosign and Pratique on the same images, identities and flags: the same verdict, or a difference that is explained."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.sigstore.agreement import ask, combinations, images, repository
from tests.sigstore.differences import explanation
from tests.sigstore.report import record
from tests.sigstore.rows import SIGNATURE, rows
from tests.sigstore.signing import sample
from tests.sigstore.stack import Stack

pytestmark = [pytest.mark.sigstore, pytest.mark.timeout(3600)]
COUNT = int(os.environ.get("PRATIQUE_COMBINATIONS", "1000"))
SEED = int(os.environ.get("PRATIQUE_SEED", "5"))
CONTENTS = {SIGNATURE, "spdxjson", "vuln"}


def test_verdicts_are_those_of_cosign(stack: Stack) -> None:
    chosen = [row for row in rows() if row.content in CONTENTS]
    found = images(stack, [sample(stack, row, repository(row)) for row in chosen])
    outcomes = [ask(stack, each) for each in combinations(stack, found, COUNT, SEED)]
    agreed = [each for each in outcomes if each.agree]
    explained: Counter[str] = Counter()
    unexplained = []
    for each in outcomes:
        if each.agree:
            continue
        why = explanation(each)
        if why:
            explained[why] += 1
        else:
            theirs = each.theirs.complaint if each.theirs.code else "accepted"
            unexplained.append(f"{each.combination.name}: cosign: {theirs}; ours: {each.reason or 'accepted'}")
    record(
        "cosign_agreement",
        {
            "combinations": len(outcomes),
            "images": len(found),
            "seed": SEED,
            "agree": len(agreed),
            "both_accept": sum(each.code == 0 for each in agreed),
            "both_refuse": sum(each.code != 0 for each in agreed),
            "explained": dict(explained),
            "unexplained": unexplained,
        },
    )
    assert unexplained == []
    assert len(outcomes) == COUNT
    assert sum(each.code == 0 for each in agreed) >= COUNT // 20, (
        "nearly nothing was accepted, so agreement means little"
    )
    assert not [each.combination.name for each in outcomes if each.code not in {0, 1}], "no verdict of ours"

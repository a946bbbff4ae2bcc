import json
from collections import Counter

from app.core.plan import labelled
from app.core.version import Level
from tests.differential import ours, reviews, values, worlds

SEED = 11
NUMBER = 3000


def test_equal_numbers_give_equal_reviews() -> None:
    population, again = worlds.populate(SEED), worlds.populate(SEED)
    assert population == again
    first = [reviews.case(SEED, index, population) for index in range(NUMBER)]
    assert first == [reviews.case(SEED, index, again) for index in reversed(range(NUMBER))][::-1]
    assert first != [reviews.case(SEED + 1, index, population) for index in range(NUMBER)]


def test_generated_text_leaves_the_reference_readable() -> None:
    population = worlds.populate(SEED)
    for index in range(NUMBER):
        text = json.dumps(reviews.case(SEED, index, population).review)
        assert "(" not in text, text
        assert ")" not in text, text


def test_every_kind_operation_and_subresource_occurs() -> None:
    population = worlds.populate(SEED)
    seen: Counter[str] = Counter()
    for index in range(NUMBER):
        request = reviews.case(SEED, index, population).review["request"]
        seen.update([request["kind"]["kind"], request["operation"], f"/{request.get('subResource', '')}"])
    kinds = {"Pod", "Namespace", *reviews.CONTROLLERS}
    subresources = {
        f"/{name}" for name in (*reviews.IGNORED_SUBRESOURCES, "", "ephemeralcontainers", "resize", "scale")
    }
    assert kinds | subresources | {"CREATE", "UPDATE", "CONNECT"} <= set(seen)


def test_every_level_and_version_applies_somewhere() -> None:
    population = worlds.populate(SEED)
    modes = {
        mode
        for labels in population.labels.values()
        for mode in labelled(labels, ours.snapshot(worlds.WORLDS[0]).defaults).modes
    }
    versions = {*values.VERSIONS, *values.LATER_VERSIONS}
    for level in (Level.BASELINE, Level.RESTRICTED):
        assert versions <= {str(mode.version) for mode in modes if mode.level is level}


def test_every_check_passes_and_fails_at_latest() -> None:
    population = worlds.populate(SEED)
    snapshot = ours.snapshot(worlds.WORLDS[1])
    labels = {f"{worlds.PREFIX}enforce": "restricted", f"{worlds.PREFIX}warn": "baseline"}
    failed: Counter[str] = Counter()
    judged = 0
    for index in range(NUMBER):
        case = reviews.case(SEED, index, population)
        if case.kind == "Pod":
            decision, _ = ours.decide(json.dumps(case.review).encode(), snapshot, labels, None)
            judged += decision.enforced
            failed.update({finding.check for finding in (*decision.enforce.findings, *decision.warn.findings)})
    for check, _ in snapshot.rules[Level.RESTRICTED][-1]:
        assert 5 < failed[check.id] < judged, check.id

"""What checks say to people: each text reads in its place, on one line, in ASCII."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from app.catalog import pod_of_example
from app.core.check import Check, Example
from app.core.evaluate import Verdict
from app.core.finding import Finding
from app.core.message import denial
from app.core.version import Level
from tests.policies.examples import BAD, CHECKS, NEWEST, findings_of_examples, found, name_of, verdict
from tests.unit.core.reviews import policy, request

PROJECT = Path(__file__).resolve().parents[2]
FOUND = tuple(findings_of_examples())


def of(check: Check) -> list[Finding]:
    return [finding for one, _, finding in FOUND if one is check]


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_ids(check: Check) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
    assert len(check.id) <= 40, "ids are metric labels and stand in first lines"
    assert {finding.check for finding in of(check)} == {check.id}


def test_ids_are_unique_here_and_in_kubernetes() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS) == 19
    assert len({check.psa_id for check in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"[a-zA-Z_]+", check.psa_id) for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_every_check_has_its_page(check: Check) -> None:
    page = (PROJECT / "docs" / "checks" / f"{check.id}.md").read_text(encoding="utf-8")
    assert check.title in page
    assert check.fix in page


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_declared_texts(check: Check) -> None:
    assert check.why is not None
    for text in (check.title, check.fix, check.why, *check.references):
        assert text.isascii()
        assert text == text.strip() or text is check.why
    assert check.title[0].isupper() or check.title[0] in "/h", check.title
    assert not check.title.endswith(".")
    assert "\n" not in check.title + check.fix
    assert re.fullmatch(r"[A-Z].*\.", check.fix)
    assert re.match(r"[A-Z/`]", check.why)
    assert check.why.strip().endswith(".")
    assert len(check.title) <= 50
    assert all(
        re.match(r"(PSS (baseline|restricted): |CIS |KEP-\d|NIST |MITRE T\d)", each) for each in check.references
    )
    assert check.references[0].startswith(f"PSS {check.level}: ")


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_titles_of_examples_are_unique(check: Check) -> None:
    titles = [example.title for example in (*check.good, *check.bad)]
    assert len(titles) == len(set(titles))
    assert all(title.isascii() and title == title.strip() and not title.endswith(".") for title in titles)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_what_must_be_there_reads_after_must(check: Check) -> None:
    for expected in {finding.expected for finding in of(check)}:
        assert re.match(r"(be|not be|include|only have) \S", expected), expected
        assert expected.isascii()
        assert expected.isprintable()
        assert not expected.endswith(".")
        assert len(expected) <= 200


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_fix_is_one_line_of_yaml_or_a_sentence_that_goes_on(check: Check) -> None:
    for fix in {finding.fix for finding in of(check)}:
        assert fix[0].islower(), fix
        assert fix.isascii()
        assert fix.isprintable()
        assert not fix.endswith(".")
        assert len(fix) <= 120
        if ": " in fix:
            assert isinstance(yaml.safe_load(fix), dict)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_what_is_there_reads_after_is(check: Check) -> None:
    for value in {finding.value for finding in of(check)}:
        assert value
        assert value.isascii()
        assert value.isprintable()
        assert len(value) <= 80


@pytest.mark.parametrize("check,example", BAD, ids=name_of)
def test_a_finding_names_its_container_or_volume(check: Check, example: Example) -> None:
    spec = pod_of_example(example)["spec"]
    for finding in found(check, pod_of_example(example), example.version):
        place = re.match(r"spec\.(\w*[cC]ontainers|volumes)\[(\d+)\]", finding.path)
        name = spec[place[1]][int(place[2])]["name"] if place else None
        if place is None:
            assert finding.volume == ""
            assert finding.container == "" or finding.path.startswith("metadata.annotations["), finding
            assert finding.path.rstrip("]").endswith(finding.container)
        elif place[1] == "volumes":
            assert (finding.volume, finding.container) == (name, "")
        else:
            assert (finding.container, finding.volume) == (name, "")


@pytest.mark.parametrize("check,example", BAD, ids=name_of)
def test_a_bad_example_is_denied_at_its_level(check: Check, example: Example) -> None:
    findings = verdict(pod_of_example(example), check.level, example.version).findings
    assert [finding.path for finding in findings if finding.check == check.id] == list(example.finds)


@pytest.mark.parametrize("check,example", BAD, ids=name_of)
def test_a_denial_names_check_container_path_value_and_fix(check: Check, example: Example) -> None:
    findings = tuple(found(check, pod_of_example(example), example.version))
    text = " ".join(denial(request(), policy("restricted"), Verdict(findings)).split())
    for finding in findings:
        for part in (finding.check, finding.path, finding.value, finding.expected, finding.fix):
            assert part in text
        for name in (finding.container, finding.volume):
            assert not name or f'"{name}"' in text


def test_the_newest_rule_is_that_of_the_release_we_follow() -> None:
    assert NEWEST == 37
    assert {check.level for check in CHECKS} == {Level.BASELINE, Level.RESTRICTED}

from app.server.health import report

WELL = {"one": lambda: "", "two": lambda: ""}
SICK = {"one": lambda: "", "two": lambda: "no list yet"}


def test_all_well_is_short_unless_asked() -> None:
    assert report("readyz", WELL, (), verbose=False) == type(report("readyz", WELL, (), verbose=False))(200, "ok")
    assert report("readyz", WELL, (), verbose=True).text == "[+]one ok\n[+]two ok\nreadyz check passed\n"


def test_a_failure_is_503_and_says_what_is_wrong() -> None:
    found = report("readyz", SICK, (), verbose=False)
    assert found.status == 503
    assert found.text == "[+]one ok\n[-]two failed: no list yet\nreadyz check failed\n"


def test_what_is_excluded_is_not_asked() -> None:
    found = report("readyz", SICK, ["two"], verbose=True)
    assert found.status == 200
    assert "[+]two excluded: ok" in found.text


def test_an_unknown_exclusion_is_told_and_harmless() -> None:
    found = report("readyz", WELL, ["three"], verbose=True)
    assert found.status == 200
    assert "three" in found.text

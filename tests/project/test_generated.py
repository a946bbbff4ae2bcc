"""What derives from the program is up to date: the checks' pages, with every refusal word for word, and the README."""

from app.catalog import catalog
from tools import generate, readme


def test_generated_pages_are_up_to_date() -> None:
    assert generate.stale(generate.render(catalog().checks), generate.DOCS) == []


def test_derived_parts_of_the_readme_are_up_to_date() -> None:
    text = generate.README.read_text(encoding="utf-8")
    assert readme.filled(text) == text

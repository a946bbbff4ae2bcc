"""docs/image-policies.md: every example on it is loaded, and what it says of a mistake is what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.config import cel, image_authority
from app.config.documents import EMPTY, load_directory, update
from app.core.images.matching import PolicySet
from app.core.images.policy import Authority, ImagePolicy, Static
from app.core.images.reference import Reference

PAGE = Path(__file__).parents[3] / "docs" / "image-policies.md"
BLOCK = re.compile(r"(<!-- refused -->\n)?```yaml\n(.*?)```", re.DOTALL)  # noqa: TID251 - linear


@pytest.fixture(autouse=True)
def cel_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    if not cel.available():  # an optional extra, which the page names
        monkeypatch.setattr(image_authority.cel, "check", lambda _: None)


def blocks(*, refused: bool) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return [found[2] for found in BLOCK.finditer(text) if bool(found[1]) is refused]


def test_every_example_is_loaded_without_a_warning(tmp_path: Path) -> None:
    examples = blocks(refused=False)
    assert len(examples) >= 5
    for number, text in enumerate(examples):
        (tmp_path / f"{number}.yaml").write_text(text)
    documents = load_directory(tmp_path)
    assert len(documents.loaded) > len(examples)
    assert documents.warnings == ()


def test_mistakes_are_told_as_the_page_says(tmp_path: Path) -> None:
    (text,) = blocks(refused=True)
    (tmp_path / "policy.yaml").write_text(text)
    documents, problems = update(EMPTY, tmp_path)
    told = "".join(f"{problem}\n" for problem in problems).replace(f"{tmp_path}/", "")
    assert not documents.loaded
    assert f"```text\n{told}```" in PAGE.read_text(encoding="utf-8")


def test_the_table_of_globs_is_true() -> None:
    digest = f"@sha256:{'a' * 64}"
    table = PAGE.read_text(encoding="utf-8").partition("| glob | fits |")[2].partition("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) == 6
    for glob, fits, misses in ([re.findall(r"`([^`]+)`", cell) for cell in row] for row in rows):
        policy = ImagePolicy("p", (glob[0],), (Authority("a", Static("fail")),))
        for images, expected in ((fits, True), (misses, False)):
            for image in images:
                if "*" not in image:
                    text = image.replace("@sha256:...", digest)
                    found = PolicySet([policy]).policies_for(Reference.parse(text), text, "", "v1", "pods")
                    assert bool(found) is expected, (glob, image)

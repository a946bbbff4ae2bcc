"""Figures for build/images.json, which several suites write to under keys of their own, and the table of the docs."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sigstore.rows import TEXTS, Row

if TYPE_CHECKING:
    from tests.sigstore.matrix import Verdicts

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "build" / "images.json"
TABLE = ROOT / "docs" / "image-matrix.md"
_PLACES = {
    "referrers": "referrers API",
    "fallback-tag": "fallback tag `sha256-<digest>`",
    "tag": "tag `sha256-<digest>.sig` or `.att`",
}
_HEAD = """\
# Which signatures count

What the real cosign writes, judged by Pratique. `make sigstore` makes this table: it starts Fulcio, Rekor v1 and v2, a
timestamp authority and two registries on the loopback interface, has cosign sign and attest in every way it knows
({rows} rows), and verifies each through the registry client, discovery and the trust core. The policy of a row demands
what the row is signed with: the log, the timestamp, or neither.

A cell says whether the row is accepted, and how many falsifications of it were refused for the right reason
({refusals} in all). A dash: cosign does not write that.
"""
_REFUSALS = """
## What is refused

Each row is also judged with something wrong about it: in the policy's question, in the signature, in what came along
with it, or in the repository. The reasons are the codes of `app.images.trust.Code`; "no signature" is the whole verdict
on an image in whose repository nothing is left that could count.
"""

_DIFFERENCES = """
## Where the verdict differs from cosign's

`make sigstore` also asks `cosign verify` and `cosign verify-attestation` what it asks `pratique verify`: about the same
images, for right and wrong signers, with the flags that both know. The verdicts are the same, except for this:
"""


def record(key: str, value: Any, path: Path = FIGURES) -> None:
    """Replace what is under one key, and leave the others alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        figures = json.loads(path.read_text()) if path.is_file() else {}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(figures | {key: value}, indent=2, sort_keys=True) + "\n")
        partial.rename(path)


def write_table(found: Mapping[Row, Verdicts], differences: Iterable[str], path: Path = TABLE) -> None:
    """Write docs/image-matrix.md: what counts, what is refused as what, and how cosign's verdict may differ."""
    contents = list(dict.fromkeys(row.content for row in found))
    lines = [
        _HEAD.format(rows=len(found), refusals=f"{sum(each.count for each in found.values()):,}"),
        "| format | found at | signed with | " + " | ".join(contents) + " |",
        "|---|---|---|" + "---|" * len(contents),
    ]
    places = dict.fromkeys((row.format, row.place, row.trust) for row in found)
    for form, place, trust in sorted(places, key=lambda each: (each[0], each[1], list(TEXTS).index(each[2]))):
        cells = [_cell(found.get(Row(form, place, trust, content))) for content in contents]
        lines.append(f"| {form} | {_PLACES[place]} | {TEXTS[trust]} | " + " | ".join(cells) + " |")
    lines += [_REFUSALS, "| what is wrong | tried | refused as |", "|---|---|---|"]
    kinds: dict[str, Counter[str]] = {}
    for each in found.values():
        for name, codes in each.refused.items():
            kinds.setdefault(name, Counter()).update(codes)
    for name, counts in sorted(kinds.items()):
        said = ", ".join(f"{code} ({count})" for code, count in counts.most_common())
        lines.append(f"| {name} | {counts.total()} | {said} |")
    lines += [_DIFFERENCES, *(f"- {text}" for text in differences)]
    path.write_text("\n".join(lines) + "\n")


def _cell(verdicts: Verdicts | None) -> str:
    if verdicts is None:
        return "-"
    if not verdicts.accepted or verdicts.wrong:
        return "**wrong**"
    return f"yes, {verdicts.count}"

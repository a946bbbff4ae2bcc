"""What the real cosign wrote, kept as files, so that every run of the tests judges it without building anything.

    python -m tests.sigstore.golden        # makes tests/data/sigstore anew, with other keys and other signatures

A file holds one repository: an image, and what cosign stored for it. rows/ has the rows of the matrix, first/ what the
first entry of a log is about. trusted_root.json and cosign.pub are those of the stack that signed.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.images.policy import Key, Keyless
from tests.sigstore.images import Contents
from tests.sigstore.judging import permitted
from tests.sigstore.rows import FIRST, Row, golden_rows

FOLDER = Path(__file__).resolve().parents[1] / "data" / "sigstore"
LIMIT = 300_000
"""Bytes that all files together may have."""


@dataclass(frozen=True)
class Sample:
    """A row, and what cosign made of it."""

    row: Row
    image: str
    """The digest that is signed."""
    issuer: str
    """'' where a key signed."""
    contents: Contents

    def signer(self, public_key: bytes) -> Keyless | Key:
        """Who signed, as a policy names it."""
        if self.row.signer is None:
            return Key(public_key)
        return permitted(self.row.signer.subject, self.issuer)

    def save(self, folder: Path) -> None:
        tree = {
            "row": dataclasses.asdict(self.row),
            "image": self.image,
            "issuer": self.issuer,
            "contents": self.contents.to_json(),
        }
        (folder / f"{self.row.name}.json").write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Sample:
        tree = json.loads(path.read_text())
        return cls(Row(**tree["row"]), tree["image"], tree["issuer"], Contents.from_json(tree["contents"]))


@dataclass(frozen=True)
class Golden:
    """All files."""

    samples: Mapping[str, Sample]
    first: Mapping[str, Sample]
    """About the first entry of a log (`rows.FIRST`)."""
    trusted_root: bytes
    public_key: bytes

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Golden:
        rows, first = (
            {path.stem: Sample.load(path) for path in sorted((folder / name).glob("*.json"))}
            for name in ("rows", "first")
        )
        return cls(
            rows,
            first,
            (folder / "trusted_root.json").read_bytes(),
            (folder / "cosign.pub").read_bytes(),
        )


def main() -> int:
    """Start a stack, sign every row, replace the files."""
    from tests.sigstore.signing import sample  # noqa: PLC0415 - only who makes the files needs the programs
    from tests.sigstore.stack import Stack  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        made = {"first": [sample(stack, row, f"first-{row.name}") for row in FIRST]}
        made["rows"] = [sample(stack, row) for row in golden_rows()]
        for name, samples in made.items():
            shutil.rmtree(FOLDER / name, ignore_errors=True)
            (FOLDER / name).mkdir(parents=True)
            for each in samples:
                each.save(FOLDER / name)
        (FOLDER / "trusted_root.json").write_bytes(stack.trusted_root)
        (FOLDER / "cosign.pub").write_bytes(stack.key.with_suffix(".pub").read_bytes())
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{sum(map(len, made.values()))} repositories, {size:,} bytes in {FOLDER}")
    return 0 if size <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

"""Every row of the matrix, signed by the real cosign now; writes build/images.json and docs/image-matrix.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.sigstore.differences import DIFFERENCES
from tests.sigstore.golden import Sample
from tests.sigstore.late import Clerk
from tests.sigstore.matrix import LATER, Matrix, Verdicts
from tests.sigstore.report import record, write_table
from tests.sigstore.rows import Row, rows
from tests.sigstore.signing import sample
from tests.sigstore.stack import Stack

pytestmark = [pytest.mark.sigstore, pytest.mark.timeout(3600)]
ROWS = list(rows())
LEAST = 162


@pytest.fixture(scope="module")
def signed(stack: Stack) -> dict[str, tuple[Sample, dt.datetime]]:
    """Everything that cosign writes, and when: all rows, as each is judged beside others."""
    made = {}
    for row in ROWS:
        when = dt.datetime.now(dt.UTC)  # noqa: TID251 - cosign and its services sign by this clock
        made[row.name] = sample(stack, row), when
    return made


@pytest.fixture(scope="module")
def matrix(stack: Stack, signed: dict[str, tuple[Sample, dt.datetime]]) -> Matrix:
    samples = {name: made for name, (made, _) in signed.items()}
    now = dt.datetime.now(dt.UTC) + LATER  # noqa: TID251 - see above
    return Matrix(samples, stack.trusted_root, stack.key.with_suffix(".pub").read_bytes(), now)


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[Row, Verdicts]]:
    """Collected from the tests; what came of a whole run is written down."""
    found: dict[Row, Verdicts] = {}
    yield found
    if len(found) == len(ROWS):
        record(
            "matrix",
            {
                "rows": len(found),
                "accepted": sum(each.accepted for each in found.values()),
                "refusals": sum(each.count for each in found.values()),
                "wrong": sum(len(each.wrong) for each in found.values()),
                "verdicts": {
                    row.name: {"accepted": each.accepted, "refused": each.refused, "wrong": each.wrong}
                    for row, each in found.items()
                },
            },
        )
        write_table(found, DIFFERENCES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(
    stack: Stack,
    matrix: Matrix,
    signed: dict[str, tuple[Sample, dt.datetime]],
    verdicts: dict[Row, Verdicts],
    row: Row,
) -> None:
    made, when = signed[row.name]
    late = Clerk(stack.authorities).cases(matrix.piece(made), matrix.question(made), when) if row.keyless else ()
    came = verdicts[row] = matrix.judge(made, late)
    assert came.accepted
    assert came.wrong == []


def test_the_matrix_has_no_holes() -> None:
    assert len(ROWS) == LEAST

"""Replays what the real cosign wrote, offline: it is accepted, and nothing that is wrong about it is."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from app.images.registry import RegistryError
from tests.sigstore.golden import FOLDER, LIMIT, Golden
from tests.sigstore.images import Contents
from tests.sigstore.judging import client, judge, pieces
from tests.sigstore.matrix import Matrix, stored
from tests.sigstore.report import record
from tests.sigstore.rows import FIRST, TERMS, golden_rows
from tests.simulators.registry import digest_of

GOLDEN = Golden.load()
LEAST_REFUSALS = 13
"""For any row; most have twice as many."""


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - golden files have to stay good, whenever the tests run
    return Matrix(GOLDEN.samples, GOLDEN.trusted_root, GOLDEN.public_key, now)


@pytest.mark.parametrize("name", [row.name for row in golden_rows()])
def test_row(matrix: Matrix, name: str) -> None:
    verdicts = matrix.judge(GOLDEN.samples[name])
    assert verdicts.accepted
    assert verdicts.wrong == []
    assert verdicts.count >= LEAST_REFUSALS


@pytest.mark.parametrize("name", [row.name for row in FIRST])
@pytest.mark.xfail(reason="a log entry whose index is 0 has no logIndex, which the trust core asks for", strict=True)
def test_first_entry_of_a_log(matrix: Matrix, name: str) -> None:
    sample = GOLDEN.first[name]
    assert judge(matrix.piece(sample), matrix.question(sample)).identity.startswith("key ")


def test_files_are_those_of_the_rows_and_small() -> None:
    assert set(GOLDEN.samples) == {row.name for row in golden_rows()}
    assert set(GOLDEN.first) == {row.name for row in FIRST}
    assert {sample.row.trust for sample in GOLDEN.samples.values()} == set(TERMS)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= LIMIT


def test_files_hold_no_private_key() -> None:
    for path in FOLDER.rglob("*"):
        assert path.is_dir() or "PRIVATE KEY" not in path.read_text()


def test_replay_is_byte_for_byte() -> None:
    """A manifest whose bytes changed on the way here would be another one."""
    for sample in GOLDEN.samples.values():
        assert sample.image in sample.contents.manifests
        for digest, (_, content) in sample.contents.manifests.items():
            assert digest == digest_of(content)


def test_a_registry_that_lost_the_content_is_told_from_an_unsigned_image() -> None:
    sample = next(iter(GOLDEN.samples.values()))
    hollow = Contents(sample.contents.manifests, sample.contents.tags, {})
    with stored(hollow, referrers=True) as (registry, context), pytest.raises(RegistryError):
        pieces(registry, context, sample.image)


def test_figures_of_other_suites_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "build" / "images.json"
    record("theirs", {"cases": 3}, path)
    record("ours", 1, path)
    record("ours", 2, path)
    assert json.loads(path.read_text()) == {"ours": 2, "theirs": {"cases": 3}}


def test_the_client_needs_permission_for_loopback() -> None:
    """Else the other tests would prove nothing about the way that real registries are asked."""
    sample = next(iter(GOLDEN.samples.values()))
    with stored(sample.contents, referrers=True) as (_, context):
        netloc = context.partition("/")[0]
        with client(netloc, allow=()) as strict, pytest.raises(AssertionError, match="address"):
            pieces(strict, context, sample.image)

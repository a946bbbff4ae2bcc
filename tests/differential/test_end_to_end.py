"""Against the real reference webhook: the harness agrees with a right Pratique and finds out a wrong one."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.core.plan import Snapshot
from tests.differential import ours, replay, reviews, work, worlds
from tests.differential.reference import Reference, Serving
from tests.differential.worlds import WORLDS, World
from tests.simulators.namespaces_api import NamespacesApi

pytestmark = pytest.mark.differential
SEED = 3
REVIEWS = 640


@dataclass(frozen=True, slots=True)
class Rig:
    """The reference for each configuration, and what leads there."""

    setting: work.Setting
    serving: Serving


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("differential")
    population = worlds.populate(SEED)
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(NamespacesApi(population.labels))
        for name, pods in population.pods.items():
            api.put_pods(name, pods)
        serving = Serving(folder)
        kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        webhooks = [stack.enter_context(Reference(world, kubeconfig, serving, folder)) for world in WORLDS]
        yield Rig(work.Setting(SEED, serving.authority, tuple(webhook.port for webhook in webhooks), ()), serving)


def judged(rig: Rig) -> work.Tally:
    with contextlib.closing(work.Worker(rig.setting)) as worker:
        return worker.run(0, REVIEWS)


def without_privileged(world: World) -> Snapshot:
    """A snapshot of a Pratique that has lost a check."""
    snapshot = right_snapshot(world)
    rules = {
        level: tuple(tuple(rule for rule in version if rule[0].id != "privileged") for version in versions)
        for level, versions in snapshot.rules.items()
    }
    return replace(snapshot, rules=rules)


right_snapshot = ours.snapshot


def test_a_right_pratique_agrees(rig: Rig) -> None:
    tally = judged(rig)
    assert tally.disagreements == []
    assert tally.reviews == REVIEWS
    assert sum(tally.broken.values()) > REVIEWS


def test_a_wrong_pratique_is_found_out_shrunk_and_replayed(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ours, "snapshot", without_privileged)
    disagreement = next(each for each in judged(rig).disagreements if "enforce" in each.fields)

    case = reviews.case(SEED, disagreement.index, worlds.populate(SEED))
    fields = frozenset(disagreement.fields)
    bench = replay.Bench(rig.setting.reference_ports[case.world], rig.serving, WORLDS[case.world], [])
    small = bench.shrink(case, fields)
    text = json.dumps(small.review["request"]["object"])
    assert '"privileged": true' in text
    assert len(text) < 200

    finding = bench.judge(small)
    assert finding is not None
    assert finding.fields == fields
    path = tmp_path / "failures" / "one.json"
    replay.write(path, small, SEED, finding, [])
    assert replay.replay(path) == 1
    assert f"differ in: {', '.join(sorted(fields))}" in capsys.readouterr().out
    monkeypatch.undo()
    assert replay.replay(path) == 0

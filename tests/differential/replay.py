"""Disagreements as files: shrunk, self-contained, and judged again with `--replay`."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from tests.differential import ours, worlds
from tests.differential.compare import differences
from tests.differential.reference import Reference, Serving
from tests.differential.reviews import Case
from tests.differential.shrink import shrink
from tests.differential.verdict import ParseError, TransientError, Verdict, reference, response_of
from tests.differential.wire import Pipeline, WireError
from tests.differential.worlds import WORLDS, World
from tests.simulators.namespaces_api import NamespacesApi

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Finding:
    """Both verdicts on one review, and in which fields they differ."""

    theirs: str
    ours: str
    fields: frozenset[str]


class Bench:
    """Both sides at hand for single reviews, over one open reference webhook."""

    def __init__(self, port: int, serving: Serving, world: World, pods: list[Json]) -> None:
        """Judge by `world`; `pods` exist in the review's namespace."""
        self._port = port
        self._serving = serving
        self._snapshot = ours.snapshot(world)
        self._pods = ours.pod_list(pods)

    def judge(self, case: Case) -> Finding | None:
        """Both verdicts; None where the reference gives no answer that can be read."""
        body = _encode(case.review)
        try:
            with Pipeline(self._port, self._serving.context()) as pipeline:
                status, answer = pipeline.ask(body)
            if status != 200:
                return None
            theirs = reference(answer, case.review["request"])
        except (WireError, ParseError, TransientError, OSError):
            return None
        try:
            decision, own = ours.decide(body, self._snapshot, case.labels, self._pods)
            found: Verdict | ParseError = ours.verdict(response_of(own), decision)
        except ParseError as error:
            found = error
        fields = frozenset({"answer"}) if isinstance(found, ParseError) else differences(theirs, found)
        return Finding(str(theirs), str(found), fields)

    def shrink(self, case: Case, fields: frozenset[str]) -> Case:
        """The smallest objects in `case` on which the two still differ in exactly `fields`."""

        def with_objects(objects: Json) -> Case:
            request = {**case.review["request"], **objects}
            return replace(case, review={**case.review, "request": request})

        def interesting(objects: Json) -> bool:
            if not isinstance(objects.get("object"), dict):
                return False
            found = self.judge(with_objects(objects))
            return found is not None and found.fields == fields

        request = case.review["request"]
        return with_objects(shrink({key: request.get(key) for key in ("object", "oldObject")}, interesting))


def write(path: Path, case: Case, seed: int, finding: Finding, pods: list[Json]) -> None:
    """Write one disagreement as a file that `replay` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "seed": seed,
        "index": case.index,
        "kind": case.kind,
        "fields": sorted(finding.fields),
        "theirs": finding.theirs,
        "ours": finding.ours,
        "world": WORLDS[case.world].name,
        "labels": case.labels,
        "pods": pods,
        "review": case.review,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def replay(path: Path) -> int:
    """Judge the review in the file `path` again and print both verdicts; 1 where they still differ."""
    document = json.loads(path.read_text(encoding="utf-8"))
    number = [world.name for world in WORLDS].index(document["world"])
    case = Case(document["index"], document["kind"], number, document["review"], document["labels"])
    namespace = case.review["request"].get("namespace", "")
    labels = {} if case.labels is None else {namespace: case.labels}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = stack.enter_context(NamespacesApi(labels))
        api.put_pods(namespace, document["pods"])
        serving = Serving(folder)
        world = worlds.WORLDS[number]
        kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        webhook = stack.enter_context(Reference(world, kubeconfig, serving, folder))
        finding = Bench(webhook.port, serving, world, document["pods"]).judge(case)
    if finding is None:
        print("the reference gave no readable answer")
        return 1
    print(
        f"reference: {finding.theirs}\nPratique:  {finding.ours}\n"
        f"differ in: {', '.join(sorted(finding.fields)) or 'nothing'}"
    )
    return 1 if finding.fields else 0

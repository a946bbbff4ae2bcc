"""One row of the matrix, held to everything: what cosign wrote counts, and nothing that is wrong about it does."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.images.registry import Registry
from app.images.trust import TrustError, TrustRoot
from tests.sigstore.golden import Sample
from tests.sigstore.images import Contents
from tests.sigstore.judging import Piece, Question, client, judge, pieces, question_of, result
from tests.sigstore.rows import SIGNATURE
from tests.sigstore.tampering import Case, Others, cases
from tests.simulators.registry import OciRegistry, digest_of
from tests.simulators.sigstore import Sigstore
from tests.simulators.sigstore_keys import Signer, new_key

LATER = dt.timedelta(days=2)
"""How long after signing rows are judged: every certificate has expired by then."""


@dataclass
class Verdicts:
    """What came of one row."""

    accepted: bool = False
    refused: dict[str, list[str]] = field(default_factory=dict)
    """Codes of the refusals by what was wrong."""
    wrong: list[str] = field(default_factory=list)
    """What was accepted or refused for a wrong reason."""

    @property
    def count(self) -> int:
        return sum(map(len, self.refused.values()))


class Matrix:
    """Samples of one stack, and what attackers have."""

    def __init__(self, samples: Mapping[str, Sample], trusted_root: bytes, public_key: bytes, now: dt.datetime) -> None:
        self.samples = samples
        self.root = TrustRoot.from_json(trusted_root)
        self.public_key = public_key
        self.now = now
        self._foreign = TrustRoot.from_json(json.dumps(Sigstore().trusted_root()).encode())
        self._stranger = Signer(new_key()).public_pem

    def question(self, sample: Sample) -> Question:
        """What the policy of a row asks."""
        by = sample.signer(self.public_key)
        return question_of(sample.row, by=by, root=self.root, digest=sample.image, now=self.now)

    def piece(self, sample: Sample) -> Piece:
        """The one signature or attestation of a sample."""
        with stored(sample.contents, referrers=sample.row.place != "fallback-tag") as (registry, context):
            (only,) = pieces(registry, context, sample.image)
        assert only.where == sample.row.where, f"found in {only.where}"
        return only

    def donor(self, sample: Sample) -> Piece:
        """A piece of the same kind: another signature, made in the same way over something else."""
        row, legacy = sample.row, sample.row.format == "legacy"
        for name, other in self.samples.items():
            alike = other.row.format == row.format and other.row.trust == row.trust and name != row.name
            same_form = not legacy or (other.row.content == SIGNATURE) == (row.content == SIGNATURE)
            # All bundles that sign the image hold the same statement; simple signing names its repository.
            differs = other.row.content != row.content or (legacy and row.content == SIGNATURE)
            if alike and same_form and differs:
                return self.piece(other)
        raise AssertionError(f"{row.name} has no like")

    def judge(self, sample: Sample, more: Iterable[Case] = ()) -> Verdicts:
        """Hold one row to everything; `more` are cases that only who has the stack's keys can make."""
        verdicts = Verdicts()
        piece, question = self.piece(sample), self.question(sample)
        self._accept(sample, question, verdicts)
        others = Others(self._foreign, self._stranger, self.donor(sample))
        for case in (*cases(piece, question, others), *more):
            code = ""
            try:
                judge(case.piece, case.question)
            except TrustError as error:
                code = error.code
            verdicts.refused.setdefault(case.name, []).append(code or "ACCEPTED")
            if code not in case.codes:
                verdicts.wrong.append(f"{case.name}: {code or 'accepted'}, not {', '.join(sorted(case.codes))}")
        for name, contents in altered(sample):
            with stored(contents, referrers=sample.row.place != "fallback-tag") as (registry, context):
                came = result(registry, context, question)
            verdicts.refused.setdefault(name, []).append("ACCEPTED" if came.ok else "no signature")
            if came.ok or came.unknown or not came.reason:
                verdicts.wrong.append(f"{name}: {came.reason or 'accepted'}")
        return verdicts

    def _accept(self, sample: Sample, question: Question, verdicts: Verdicts) -> None:
        with stored(sample.contents, referrers=sample.row.place != "fallback-tag") as (registry, context):
            came = result(registry, context, question)
        counted = [one for one in came.found if one.counted]
        verdicts.accepted = came.ok
        if not came.ok:
            verdicts.wrong.append(f"refused: {came.reason}")
        elif len(counted) != 1 or counted[0].where != sample.row.where:
            verdicts.wrong.append(f"counted: {counted}")
        elif sample.row.signer and (counted[0].identity, counted[0].issuer) != (
            sample.row.signer.subject,
            sample.issuer,
        ):
            verdicts.wrong.append(f"signed by {counted[0].identity} ({counted[0].issuer})")


class stored:  # noqa: N801 - reads as a function
    """A registry of this process that holds the contents; gives a client and the repository."""

    def __init__(self, contents: Contents, *, referrers: bool) -> None:
        self._server = OciRegistry(referrers=referrers)
        contents.load_into(self._server, "app")

    def __enter__(self) -> tuple[Registry, str]:
        self._server.__enter__()
        self._client = client(self._server.netloc)
        return self._client.__enter__(), f"{self._server.netloc}/app"

    def __exit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)
        self._server.__exit__(None, None, None)


def altered(sample: Sample) -> Iterator[tuple[str, Contents]]:
    """Repositories in which the signature is not what it was."""
    yield "unsigned", _without_signatures(sample)
    yield "empty signature layer", _changed(sample, lambda manifest: {**manifest, "layers": []})
    yield "empty signature layer", _changed(sample, _hollow)
    if sample.row.place != "tag":
        elsewhere = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "cd" * 32}
        yield (
            "subject of another image",
            _changed(sample, lambda manifest: {**manifest, "subject": {**elsewhere, "size": 1}}),
        )


def _is_artifact(tree: Any, sample: Sample, content: bytes) -> bool:
    return "layers" in tree and digest_of(content) != sample.image


def _without_signatures(sample: Sample) -> Contents:
    contents = sample.contents
    kept = {digest: entry for digest, entry in contents.manifests.items() if digest == sample.image}
    return Contents(
        kept, {tag: digest for tag, digest in contents.tags.items() if digest == sample.image}, contents.blobs
    )


def _hollow(manifest: Any) -> Any:
    """Layers as they were, of no bytes."""
    nothing = {"digest": digest_of(b""), "size": 0}
    return {**manifest, "layers": [{**layer, **nothing} for layer in manifest["layers"]]}


def _changed(sample: Sample, change: Callable[[Any], Any]) -> Contents:
    """With all signature manifests changed, wherever they are named."""
    contents = sample.contents
    names: dict[str, str] = {}
    manifests: dict[str, tuple[str, bytes]] = {}
    for digest, (media_type, content) in contents.manifests.items():
        tree = json.loads(content)
        if _is_artifact(tree, sample, content):
            altered_content = json.dumps(change(tree)).encode()
            names[digest] = digest_of(altered_content)
            manifests[names[digest]] = media_type, altered_content
    for digest, (media_type, content) in contents.manifests.items():
        tree = json.loads(content)
        if "manifests" in tree:
            for entry in tree["manifests"]:
                entry["digest"] = names.get(entry["digest"], entry["digest"])
                entry["size"] = len(manifests[entry["digest"]][1]) if entry["digest"] in manifests else entry["size"]
            renamed = json.dumps(tree).encode()
            names[digest] = digest_of(renamed)
            manifests[names[digest]] = media_type, renamed
        elif digest not in names:
            manifests[digest] = media_type, content
    tags = {tag: names.get(digest, digest) for tag, digest in contents.tags.items()}
    return Contents(manifests, tags, {**contents.blobs, digest_of(b""): b""})

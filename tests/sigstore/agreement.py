"""Asks cosign and Pratique the same about the same images, and explains where they differ.

An image here is something in a registry: what one row of the matrix made, or a repository in which something is amiss.
A combination asks about it with an identity (right, wrong, by expression, a key) and flags, which `cosign verify`,
`cosign verify-attestation` and `pratique verify` all know.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from click.testing import CliRunner

from app.cli.verify import verify
from tests.sigstore.golden import Sample
from tests.sigstore.images import Contents, Remote
from tests.sigstore.rows import SIGNATURE, Row
from tests.sigstore.signing import SEED, netloc, sign
from tests.sigstore.stack import Said, Stack

IGNORE_LOG, STAMPS, IGNORE_SCT = "--insecure-ignore-tlog", "--use-signed-timestamps", "--insecure-ignore-sct"
FLAGS: Sequence[frozenset[str]] = tuple(
    map(frozenset, ((), (), (IGNORE_LOG,), (STAMPS,), (IGNORE_LOG, STAMPS), (IGNORE_SCT,)))
)
MALLORY = "mallory@example.com"
PARTIAL = "expression that matches a part"


@dataclass(frozen=True)
class Image:
    """Something to ask about."""

    name: str
    netloc: str
    repository: str
    digest: str
    row: Row
    """How it was signed, or the closest to that."""
    content: str
    """What is asked for: a signature, or this type of attestation."""

    @property
    def hidden(self) -> bool:
        """Whether cosign needs a flag to find it."""
        return self.row.format == "legacy" and self.row.place != "tag" and self.content == SIGNATURE

    @property
    def reference(self) -> str:
        return f"{self.netloc}/{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Who:
    """An expected signer, in the arguments that both command lines know."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Combination:
    """One question."""

    image: Image
    who: Who
    flags: frozenset[str]

    @property
    def likely(self) -> bool:
        """Whether it asks for what the image has, of who signed it."""
        expected = {"right identity", "anchored expressions"} if self.image.row.keyless else {"right key"}
        return self.image.content == self.image.row.content and self.who.name in expected

    @property
    def name(self) -> str:
        return " ".join([self.image.name, f"[{self.image.content}]", self.who.name, *sorted(self.flags)])


@dataclass(frozen=True)
class Outcome:
    """Both answers."""

    combination: Combination
    theirs: Said
    code: int
    """Ours: 0 verified, 1 not verified; anything else is no verdict."""
    reason: str

    @property
    def agree(self) -> bool:
        return (self.theirs.code == 0) == (self.code == 0)


def repository(row: Row) -> str:
    """Where an image of the row is asked about: not where other tests sign it."""
    return f"agreement/{row.name}"


def images(stack: Stack, samples: Sequence[Sample]) -> list[Image]:
    """What rows made, asked for as what it is and as what it is not, and repositories in which something is amiss."""
    found = []
    for sample in samples:
        row = sample.row
        made = Image(row.name, netloc(stack, row), repository(row), sample.image, row, row.content)
        found.append(made)
        if row.place == "referrers" or row.format == "legacy":
            found.append(replace(made, content="spdxjson" if row.content == SIGNATURE else SIGNATURE))
        if row.content not in {SIGNATURE, "vuln"}:
            found.append(replace(made, content="vuln"))
    found += _amiss(stack, samples)
    return found


def _amiss(stack: Stack, samples: Sequence[Sample]) -> Iterator[Image]:
    remote = Remote(stack.registry)

    def image(name: str, digest: str, row: Row) -> Image:
        return Image(name, stack.registry, name, digest, row, SIGNATURE)

    for sample in samples:
        row = sample.row
        if row.content != SIGNATURE or row.place == "fallback-tag":
            continue
        # The right signature beside another image.
        name = f"replayed-{row.name}"
        other = remote.push_image(name, "another image")
        remote.put(name, _beside(sample, other))
        yield image(name, other, row)
    for form in ("bundle", "legacy"):
        row = Row(form, "referrers" if form == "bundle" else "tag", "keyless-v1")
        yield image(f"unsigned-{form}", remote.push_image(f"unsigned-{form}", SEED), row)
        name = f"signed-twice-{form}"
        digest = remote.push_image(name, SEED)
        sign(stack, row, name, digest)
        sign(stack, replace(row, trust="key-v1"), name, digest)
        yield image(name, digest, row)
        yield image(name, digest, replace(row, trust="key-v1"))


def _beside(sample: Sample, other: str) -> Contents:
    """The signatures of a sample, moved to another image: by the name of the tag, or by the manifest's subject."""
    contents = sample.contents
    manifests = {}
    for digest, (media_type, content) in contents.manifests.items():
        if digest == sample.image:
            continue
        tree = json.loads(content)
        if "subject" in tree:
            tree["subject"]["digest"] = other
            content = json.dumps(tree).encode()  # noqa: PLW2901 - either the original or the moved one
        manifests[digest] = media_type, content
    old, new = sample.image.replace(":", "-"), other.replace(":", "-")
    tags = {tag.replace(old, new): digest for tag, digest in contents.tags.items() if digest != sample.image}
    return Contents(manifests, tags, contents.blobs)


def signers(stack: Stack, row: Row) -> list[Who]:
    """Who may be expected of an image of the row."""
    person = row.signer or replace(row, trust="keyless-v1").signer
    assert person is not None
    subject, issuer = person.subject, stack.services.issuer(person)
    elsewhere = next(url for name, url in stack.services.urls.items() if name in {"people", "ci"} and url != issuer)

    def who(name: str, **parts: str) -> Who:
        flags = {
            "subject": "certificate-identity",
            "subject_regexp": "certificate-identity-regexp",
            "issuer": "certificate-oidc-issuer",
            "issuer_regexp": "certificate-oidc-issuer-regexp",
        }
        return Who(name, tuple(f"--{flags[part]}={value}" for part, value in parts.items()))

    def key(name: str, private: Path) -> Who:
        return Who(name, (f"--key={private.with_suffix('.pub')}",))

    first, last = subject[:4], subject[-4:]
    return [
        who("right identity", subject=subject, issuer=issuer),
        who("wrong identity", subject=MALLORY, issuer=issuer),
        who("wrong issuer", subject=subject, issuer=elsewhere),
        who(
            "anchored expressions", subject_regexp=f"^{first}.*{last}$", issuer_regexp="^http://127[.]0[.]0[.]1:[0-9]+$"
        ),
        who("expression that does not match", subject_regexp="^https://gitlab[.]com/.*$", issuer=issuer),
        who(PARTIAL, subject_regexp=first, issuer=issuer),
        key("right key", stack.key),
        key("wrong key", stack.other_key),
    ]


def combinations(stack: Stack, found: Sequence[Image], count: int, seed: int) -> list[Combination]:
    """So many different questions, half of them such that a yes is likely; which ones depends on the seed alone."""
    likely: list[Combination] = []
    others: list[Combination] = []
    for image in found:
        for who in signers(stack, image.row):
            for flags in dict.fromkeys(FLAGS):
                one = Combination(image, who, flags)
                (likely if one.likely else others).append(one)
    choice = random.Random(seed)
    first = choice.sample(likely, min(count // 2, len(likely)))
    return first + choice.sample(others, count - len(first))


def ask(stack: Stack, combination: Combination) -> Outcome:
    """Ask both, with the same arguments."""
    image = combination.image
    attested = image.content != SIGNATURE
    kind = [f"--type={image.content}"] if attested else []
    shared = [
        *kind,
        f"--trusted-root={stack.trusted_root_file}",
        *combination.who.arguments,
        *sorted(combination.flags),
    ]
    command = "verify-attestation" if attested else "verify"
    # Where to look is for cosign to be told: legacy signatures that are referrers are found with this flag only.
    hint = ["--experimental-oci11"] if image.hidden else []
    theirs = stack.cosign(command, *shared, *hint, image.reference)
    ours = CliRunner().invoke(verify, [image.reference, *shared, "--allow-http-registry", "--output=json"])
    if ours.exception is not None and not isinstance(ours.exception, SystemExit):
        raise ours.exception
    return Outcome(combination, theirs, ours.exit_code, _reason(ours.output))


def _reason(output: str) -> str:
    try:
        (report,) = json.loads(output)["results"]
    except ValueError:
        return output.strip()
    return str(report["reason"])

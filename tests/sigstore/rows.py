"""The matrix: every way in which cosign can store a signature or an attestation, and how each is signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.core.images.policy import LogDuty, StampDuty
from tests.sigstore.identities import Person, human, workflow

Format = Literal["legacy", "bundle"]
Place = Literal["referrers", "fallback-tag", "tag"]
Trust = Literal[
    "keyless-v1", "keyless-v1-tsa", "keyless-v2", "keyless-tsa", "key-v1", "key-v2", "key-none"
]  # who signs and what says when

SIGNATURE = "signature"
DEVELOPER = human("dev@example.com")
RELEASE = workflow("acme/app")


@dataclass(frozen=True)
class Terms:
    """What a policy demands of a signature."""

    log: LogDuty
    timestamps: StampDuty = "none"


TERMS: Mapping[Trust, Terms] = {
    "keyless-v1": Terms("required"),
    "keyless-v1-tsa": Terms("required", "required"),
    "keyless-v2": Terms("required", "required"),
    "keyless-tsa": Terms("ignored", "required"),
    "key-v1": Terms("required"),
    "key-v2": Terms("required"),
    "key-none": Terms("ignored"),
}
SIGNING: Mapping[Trust, str] = {
    "keyless-v1": "v1",
    "keyless-v1-tsa": "v1-tsa",
    "keyless-v2": "v2",
    "keyless-tsa": "tsa",
    "key-v1": "v1",
    "key-v2": "v2",
    "key-none": "none",
}
"""The signing config of the stack that a way of trust is signed with."""
TEXTS: Mapping[Trust, str] = {
    "keyless-v1": "keyless, Rekor v1",
    "keyless-v1-tsa": "keyless, Rekor v1 and timestamp",
    "keyless-v2": "keyless, Rekor v2 and timestamp",
    "keyless-tsa": "keyless, timestamp only",
    "key-v1": "key, Rekor v1",
    "key-v2": "key, Rekor v2",
    "key-none": "key, no log",
}

_PERSON = {"name": "pratique"}
PREDICATES: Mapping[str, Any] = {
    "spdxjson": {"spdxVersion": "SPDX-2.3", "name": "app", "packages": [{"name": "zlib", "versionInfo": "1.3.1"}]},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "zlib", "type": "library"}]},
    "slsaprovenance02": {
        "builder": {"id": "https://builder.example/v1"},
        "buildType": "https://builder.example/type",
        "invocation": {},
        "materials": [],
    },
    "slsaprovenance1": {
        "buildDefinition": {
            "buildType": "https://builder.example/type",
            "externalParameters": {},
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": "https://builder.example/v1"}, "metadata": {"invocationId": "1"}},
    },
    "vuln": {
        "invocation": {"parameters": None, "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {"uri": "scanner.example", "version": "1", "db": {"uri": "", "version": ""}, "result": {}},
        "metadata": {"scanStartedOn": "2026-11-20T00:00:00Z", "scanFinishedOn": "2026-11-20T00:01:00Z"},
    },
    "link": {
        "_type": "link",
        "name": "build",
        "command": ["make"],
        "materials": {},
        "products": {},
        "byproducts": {},
        "environment": {},
    },
    "custom": {"reviewed": True, "by": _PERSON},
}
"""What is attested, by cosign's short names."""
PREDICATE_TYPES: Mapping[str, str] = {
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "link": "https://in-toto.io/Link/v1",
    "custom": "https://cosign.sigstore.dev/attestation/v1",
}


@dataclass(frozen=True)
class Row:
    """One cell: a format in a place, signed in one way, holding one kind of content."""

    format: Format
    place: Place
    trust: Trust
    content: str = SIGNATURE

    @property
    def name(self) -> str:
        """For files, repositories and test ids."""
        return f"{self.format}-{self.place}-{self.trust}-{self.content}"

    @property
    def keyless(self) -> bool:
        return self.trust.startswith("keyless")

    @property
    def signer(self) -> Person | None:
        """Workflows sign in half of the rows, a human in the others; None where a key signs."""
        if not self.keyless:
            return None
        return DEVELOPER if self.format == "legacy" or self.content in {"vuln", "custom"} else RELEASE

    @property
    def predicate_type(self) -> str | None:
        return PREDICATE_TYPES.get(self.content)

    @property
    def terms(self) -> Terms:
        return TERMS[self.trust]

    @property
    def where(self) -> str:
        """The name that discovery gives to the place."""
        if self.place != "tag":
            return self.place
        return "sig-tag" if self.content == SIGNATURE else "att-tag"


def rows() -> Iterator[Row]:
    """All of them.

    Not there, as cosign does not write it: bundles under a `.sig` or `.att` tag, legacy attestations as referrers, and
    the legacy format with Rekor v2 (it asks the log by `--rekor-url`, which means version 1).
    """
    for content in (SIGNATURE, *PREDICATES):
        for trust in TERMS:
            for place in ("referrers", "fallback-tag"):
                yield Row("bundle", place, trust, content)
            if trust in {"keyless-v2", "key-v2"}:
                continue
            yield Row("legacy", "tag", trust, content)
            if content == SIGNATURE:
                yield Row("legacy", "referrers", trust, content)
                yield Row("legacy", "fallback-tag", trust, content)


def golden_rows() -> Iterator[Row]:
    """Those that are kept as files: all signatures, and of the attestations each type and each way of trust."""
    trusts, contents = list(TERMS), list(PREDICATES)
    for row in rows():
        if row.content == SIGNATURE:
            yield row
            continue
        first = 2 * contents.index(row.content) % len(trusts)
        second = (first + 1) % len(trusts)
        chosen = {trusts[first], trusts[second]} if row.format == "legacy" else {trusts[first]}
        if row.trust in chosen and row.place != "fallback-tag":
            yield row


FIRST = (Row("bundle", "referrers", "key-v1"), Row("bundle", "referrers", "key-v2"))
"""What the very first entry of a log is about: its index is 0, which protobuf's JSON leaves out."""

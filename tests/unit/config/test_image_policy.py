"""ClusterImagePolicy documents: what they come to mean, and how what is wrong is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.config import cel, patterns
from app.core.images.policy import Authority, Identity, Key, Keyless, ResourceMatch, Static
from tests.unit.config.documents import (
    ISSUER,
    KEYLESS,
    certificate_pem,
    indented,
    key_pem,
    only,
    policy,
    private_pem,
    read,
)

SEED = """\
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: signed-by-our-ci
spec:
  images: [{glob: "ghcr.io/me/**"}]
  authorities: [{keyless: {identities: [{issuer: https://token.actions.githubusercontent.com, \
subjectRegExp: 'https://github.com/me/.*'}]}}]
"""


def test_the_policy_of_the_seed_page_works_unchanged(tmp_path: Path) -> None:
    found = only(tmp_path, SEED)
    assert found.name == "signed-by-our-ci"
    assert found.images == ("ghcr.io/me/**",)
    assert found.mode == "enforce"
    assert found.matches == ()
    assert (found.digest_required, found.multi_arch) == (False, "any")
    assert found.authorities == (
        Authority(
            name="authority-0",
            by=Keyless((Identity(issuer=ISSUER, subject_regexp="https://github.com/me/.*"),)),
            log="required",
            timestamps="none",
        ),
    )
    assert len(found.hash) == 64


def test_both_versions_mean_the_same(tmp_path: Path) -> None:
    assert only(tmp_path, SEED) == only(tmp_path, SEED.replace("v1beta1", "v1alpha1"))


def test_everything_that_is_supported(tmp_path: Path) -> None:
    text = f"""\
apiVersion: policy.sigstore.dev/v1alpha1
kind: ClusterImagePolicy
metadata:
  name: all
  labels: {{a: b}}
  annotations: {{pratique.dev/require-digest: "true", pratique.dev/multi-arch: child, other.example/x: other}}
  creationTimestamp: null
  managedFields: []
status: {{conditions: []}}
spec:
  mode: warn
  images:
  - glob: ghcr.io/me/**
  - glob: quay.io/me/*
  - glob: ghcr.io/me/**
  match:
  - resource: pods
    version: v1
    selector:
      matchLabels: {{app: x}}
      matchExpressions:
      - {{key: team, operator: In, values: [a, b]}}
      - {{key: skip, operator: DoesNotExist}}
  - {{group: apps, version: "*", resource: deployments}}
  authorities:
  - name: ci
    keyless:
      url: https://fulcio.sigstore.dev
      insecureIgnoreSCT: false
      identities:
      - {{issuer: "{ISSUER}", subject: s}}
      - {{issuerRegExp: "^https://issuer[.]example$", subjectRegExp: "^.*@me[.]example$"}}
    ctlog: {{url: https://rekor.sigstore.dev}}
    rfc3161timestamp: {{}}
    signatureFormat: bundle
    source:
    - oci: registry.example:5000/signatures
    attestations:
    - name: sbom
      predicateType: spdxjson
    - name: built
      predicateType: https://slsa.dev/provenance/v1
  - key:
      hashAlgorithm: SHA512
      data: {indented(key_pem(), 8)}
  - keyless:
      ca-cert:
        data: {indented(certificate_pem(), 10)}
      identities: [{{issuer: i, subject: s}}]
  - static: {{action: fail, message: never}}
"""
    documents, said = read(tmp_path, text)
    assert said == []
    (found,) = documents.of("ClusterImagePolicy")
    assert found.mode == "warn"
    assert found.images == ("ghcr.io/me/**", "quay.io/me/*")
    assert (found.digest_required, found.multi_arch) == (True, "child")
    assert found.matches == (
        ResourceMatch("", "v1", "pods", {"app": "x"}, (("team", "In", ("a", "b")), ("skip", "DoesNotExist", ()))),
        ResourceMatch("apps", "*", "deployments"),
    )
    ci, key, private, static = found.authorities
    assert [one.name for one in found.authorities] == ["ci", "authority-1", "authority-2", "authority-3"]
    assert (ci.log, ci.timestamps, ci.log_trust_root, ci.timestamp_trust_root) == ("required", "required", "", "")
    assert ci.sources == ("registry.example:5000/signatures",)
    assert [(one.name, one.predicate_type, one.cel) for one in ci.attestations] == [
        ("sbom", "https://spdx.dev/Document", ""),
        ("built", "https://slsa.dev/provenance/v1", ""),
    ]
    assert isinstance(ci.by, Keyless)
    assert ci.by.identities[1] == Identity("", "^https://issuer[.]example$", "", "^.*@me[.]example$")
    assert key.by == Key(key_pem().strip().encode(), "sha512")
    assert key.log == "ignored"
    assert isinstance(private.by, Keyless)
    assert private.by.ca_cert == certificate_pem().strip().encode()
    assert static.by == Static("fail", "never")


@pytest.mark.parametrize(
    "authority,log,timestamps",
    [
        (KEYLESS, "required", "none"),
        (f"{KEYLESS}\n    ctlog: {{url: https://rekor.sigstore.dev}}", "required", "none"),
        (f"{KEYLESS}\n    rfc3161timestamp: {{}}", "ignored", "required"),
        (f"{KEYLESS}\n    rfc3161timestamp: {{}}\n    ctlog: {{}}", "required", "required"),
        ("KEY", "ignored", "none"),
        ("KEY\n    ctlog: {url: https://rekor.sigstore.dev}", "required", "none"),
        ("KEY\n    rfc3161timestamp: {}", "ignored", "required"),
        ("static: {action: fail}", "ignored", "none"),
    ],
)
def test_log_and_timestamp(tmp_path: Path, authority: str, log: str, timestamps: str) -> None:
    key = f"key:\n      data: {indented(key_pem(), 8)}"
    if authority.startswith("KEY"):
        authority = key + authority.removeprefix("KEY").lstrip("\n")
    (found,) = only(tmp_path, policy(authority=authority)).authorities
    assert (found.log, found.timestamps) == (log, timestamps)


IDENTITIES = "spec.authorities[0].keyless.identities"


@pytest.mark.parametrize(
    "authority,problem",
    [
        ("{}", "9:5: spec.authorities[0]: needs one of `key`, `keyless`, `static`"),
        ("name: x", "9:5: spec.authorities[0]: needs one of `key`, `keyless`, `static`"),
        ("keyless: {}", "9:5: spec.authorities[0].keyless: needs `identities`: without any, nobody's"),
        ("keyless: {identities: null}", "9:5: spec.authorities[0].keyless: needs `identities`: without any, nobody's"),
        ("keyless: {identities: [{issuer: x}]}", f"9:28: {IDENTITIES}[0]: needs `subject` or `subjectRegExp`"),
        ("keyless: {identities: [{subject: x}]}", f"9:28: {IDENTITIES}[0]: needs `issuer` or `issuerRegExp`"),
        (
            'keyless: {identities: [{subject: x, issuer: ""}]}',
            f"9:28: {IDENTITIES}[0]: needs `issuer` or `issuerRegExp`",
        ),
        (
            "keyless: {identities: [{issuer: x, issuerRegExp: x, subject: s}]}",
            f"9:28: {IDENTITIES}[0]: has `issuer` and `issuerRegExp`; give one of them",
        ),
        (
            "keyless: {identities: [{issuer: x, subject: s, subjectRegExp: s}]}",
            f"9:28: {IDENTITIES}[0]: has `subject` and `subjectRegExp`; give one of them",
        ),
        (
            "keyless: {identities: [{issuer: x, subjectRegExp: '(?=x)'}]}",
            f"9:40: {IDENTITIES}[0].subjectRegExp: is not an RE2 expression: invalid perl operator: (?=",
        ),
        (
            "keyless: {identities: [{issuer: x, subjectRegexp: s}]}",
            f"9:40: {IDENTITIES}[0].subjectRegexp: unknown field, did you mean `subjectRegExp`?",
        ),
        (
            "keyless: {identities: [{issuer: 1, subject: s}]}",
            f"9:29: {IDENTITIES}[0].issuer: must be text; put it in quotes",
        ),
        (
            "keyless: {url: ftp://x, identities: [{issuer: x, subject: s}]}",
            "9:15: spec.authorities[0].keyless.url: must be a URL with http or https and a host, and without",
        ),
        (
            "key: {data: x, kms: 'awskms:///alias/x'}",
            "9:20: spec.authorities[0].key.kms: keys in a KMS are not supported here; put it into `data`",
        ),
        (
            "key: {secretRef: {name: x}}",
            "9:11: spec.authorities[0].key.secretRef: keys in Secrets are not supported here; put it into",
        ),
        ("key: {}", "9:5: spec.authorities[0].key: needs `data`"),
        (
            "key: {data: nonsense}",
            "9:11: spec.authorities[0].key.data: is not PEM; it starts with `-----BEGIN PUBLIC KEY-----`",
        ),
        (
            "key: {data: x, hashAlgorithm: md5}",
            "9:20: spec.authorities[0].key.hashAlgorithm: must be one of sha224, sha256, sha384, sha512",
        ),
        ("static: {action: allow}", "9:14: spec.authorities[0].static.action: must be 'pass' or 'fail'"),
        ("static: {}", "9:5: spec.authorities[0].static.action: is missing"),
        (
            f"{KEYLESS}\n    static: {{action: pass}}",
            "9:5: spec.authorities[0]: has `keyless` and `static`; give one of them",
        ),
        (
            f"{KEYLESS}\n    source: [{{oci: a.example/b}}, {{oci: a.example/c}}]",
            "9:5: spec.authorities[0]: has more than one `source`; one is supported",
        ),
        (
            f"{KEYLESS}\n    source: [{{oci: 'a.example/b:v1'}}]",
            "10:15: spec.authorities[0].source[0].oci: must be a repository without a tag or digest: `a.example/b`",
        ),
        (
            f"{KEYLESS}\n    source: [{{oci: 'A b'}}]",
            "10:15: spec.authorities[0].source[0].oci: must be a repository such as `registry.example.com/signatures`",
        ),
        (
            f"{KEYLESS}\n    source: [{{tagPrefix: x}}]",
            "10:15: spec.authorities[0].source[0].tagPrefix: prefixes of signature tags are not supported here",
        ),
        (
            f"{KEYLESS}\n    signatureFormat: new",
            "10:5: spec.authorities[0].signatureFormat: must be 'legacy' or 'bundle'",
        ),
        (
            f"{KEYLESS}\n    attestations: [{{name: a, predicateType: spdy}}]",
            "10:30: spec.authorities[0].attestations[0].predicateType: must be a URI or one of custom, cyclonedx,",
        ),
        (
            f"{KEYLESS}\n    attestations: [{{predicateType: spdx}}]",
            "10:20: spec.authorities[0].attestations[0].name: is missing",
        ),
        (
            f"{KEYLESS}\n    attestations: [{{name: a, predicateType: spdx}}, {{name: a, predicateType: vuln}}]",
            "10:53: spec.authorities[0].attestations[1].name: attestation `a` is named twice",
        ),
        (
            f"{KEYLESS}\n  - {{name: authority-0, {KEYLESS}}}",
            "10:6: spec.authorities[1].name: authority `authority-0` is named twice",
        ),
        (
            "keyless: {trustRootRef: ours, identities: [{issuer: x, subject: s}]}",
            "9:15: spec.authorities[0].keyless.trustRootRef: there is no TrustRoot `ours`; there is none",
        ),
        (
            f"{KEYLESS}\n    ctlog: {{trustRootRef: ours}}",
            "10:13: spec.authorities[0].ctlog.trustRootRef: there is no TrustRoot `ours`; there is none",
        ),
        (
            f"{KEYLESS}\n    rfc3161timestamp: {{trustRootRef: ours}}",
            "10:24: spec.authorities[0].rfc3161timestamp.trustRootRef: there is no TrustRoot `ours`; there is none",
        ),
    ],
)
def test_what_is_wrong_with_an_authority(tmp_path: Path, authority: str, problem: str) -> None:
    documents, said = read(tmp_path, policy(authority=authority))
    count = 2 if "data: x" in authority else 1  # `x` is no key either
    assert len(said) == count
    assert said[-1].startswith(problem)
    assert not documents.loaded


STATIC = [
    "ctlog: {}",
    "rfc3161timestamp: {}",
    "source: [{oci: a.example/b}]",
    "attestations: [{name: a, predicateType: spdx}]",
]


@pytest.mark.parametrize("field", STATIC)
def test_static_stands_alone(tmp_path: Path, field: str) -> None:
    name = field.partition(":")[0]
    _, said = read(tmp_path, policy(authority=f"static: {{action: fail}}\n    {field}"))
    assert said == [
        f"9:5: spec.authorities[0]: `static` looks at no signatures, so it cannot be combined with `{name}`"
    ]


@pytest.mark.parametrize(
    "spec,problem",
    [
        ("  mode: audit", "10:3: spec.mode: must be 'enforce' or 'warn'"),
        ("  matches: []", "10:3: spec.matches: unknown field, did you mean `match`?"),
        (
            "  match: [{resource: Pod}]",
            "10:12: spec.match[0].resource: must be the plural in lower case, did you mean `pods`?",
        ),
        (
            "  match: [{resource: pods/exec}]",
            "10:12: spec.match[0].resource: must be a resource's plural name in lower case, such as `pods`,",
        ),
        (
            "  match: [{selector: {}}]",
            "10:11: spec.match[0]: a selector requires a resource; add `resource: pods` and `version: v1`",
        ),
        (
            "  match: [{resource: pods, selector: {matchExpressions: [{key: a, operator: In}]}}]",
            "10:58: spec.match[0].selector.matchExpressions[0]: operator In needs `values`",
        ),
        (
            "  match: [{resource: pods, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]",
            "10:58: spec.match[0].selector.matchExpressions[0]: operator Exists takes no `values`",
        ),
        (
            "  match: [{resource: pods, selector: {matchExpressions: [{key: a, operator: Is}]}}]",
            "10:67: spec.match[0].selector.matchExpressions[0].operator: must be 'In', 'NotIn',",
        ),
        (
            "  match: [{resource: pods, selector: {matchLabels: {a b: c}}}]",
            "10:39: spec.match[0].selector.matchLabels: `a b` is no label key",
        ),
        (
            "  match: [{resource: pods, selector: {matchLabels: {a: 'b c'}}}]",
            "10:39: spec.match[0].selector.matchLabels: `b c` is no label value, so it would never match",
        ),
        (
            "  policy: {type: cue, data: x}",
            "10:3: spec.policy: a policy over all authorities is not supported here; give each attestation its own",
        ),
    ],
)
def test_what_is_wrong_with_a_spec(tmp_path: Path, spec: str, problem: str) -> None:
    documents, said = read(tmp_path, policy(spec=spec))
    assert len(said) == 1
    assert said[0].startswith(problem)
    assert not documents.loaded


def test_nothing_to_match_and_nobody_to_trust(tmp_path: Path) -> None:
    head = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\n"
    static = "[{static: {action: fail}}]"
    for spec, problem in [
        ("spec: {}", "4:1: spec: needs `images`"),
        (f"spec: {{images: [], authorities: {static}}}", "4:1: spec: needs `images`"),
        ("spec: {images: [{glob: '**'}]}", "4:1: spec: needs `authorities`"),
        ("spec: {images: [{glob: '**'}], authorities: null}", "4:1: spec: needs `authorities`"),
        (f"spec: {{images: [{{}}], authorities: {static}}}", "4:17: spec.images[0].glob: is missing"),
        (f"spec: {{images: [{{glob: ''}}], authorities: {static}}}", "4:18: spec.images[0].glob: must not be empty"),
        (
            f"spec: {{images: [{{glob: 'a[b]'}}], authorities: {static}}}",
            "4:18: spec.images[0].glob: `[` is not allowed: a glob has",
        ),
        ("", "1:1: spec: is missing"),
    ]:
        documents, said = read(tmp_path, f"{head}{spec}\n")
        assert len(said) == 1
        assert said[0].startswith(problem)
        assert not documents.loaded


def test_all_problems_of_a_document_at_once(tmp_path: Path) -> None:
    text = policy(
        authority="key: {kms: x}\n  - keyless: {identities: []}\n  - satic: {action: pass}", spec="  mode: no"
    )
    _, said = read(tmp_path, text)
    assert [line.partition(" ")[0] for line in said] == ["9:11:", "10:5:", "11:5:", "12:3:"]


@pytest.mark.parametrize("name", ["Up", "a_b", "-a", "a" * 254, "ä"])
def test_names(tmp_path: Path, name: str) -> None:
    documents, said = read(tmp_path, policy(name))
    assert len(said) == 1
    assert said[0].startswith("4:3: metadata.name: must ")
    assert not documents.loaded


@pytest.mark.parametrize(
    "annotation,problem",
    [
        ("pratique.dev/require-digest: 'yes'", 'must be "true" or "false"'),
        ("pratique.dev/multi-arch: both", "must be one of index, child, any"),
        ("pratique.dev/require-digests: 'true'", "unknown annotation, did you mean `pratique.dev/require-digest`?"),
    ],
)
def test_annotations(tmp_path: Path, annotation: str, problem: str) -> None:
    text = policy().replace("  name: p\n", f"  name: p\n  annotations:\n    {annotation}\n")
    documents, said = read(tmp_path, text)
    assert said == [f"6:5: metadata.annotations.{annotation.partition(':')[0]}: {problem}"]
    assert not documents.loaded


def test_keys(tmp_path: Path) -> None:
    def told(data: str) -> str:
        documents, said = read(tmp_path, policy(authority=f"key:\n      data: {indented(data, 8)}"))
        if not said:
            (found,) = documents.of("ClusterImagePolicy")
            assert found.authorities[0].by.pem == data.strip().encode()
            return ""
        assert not documents.loaded
        assert key_pem().splitlines()[1] not in said[0]
        return said[0].partition("key.data: ")[2]

    good = key_pem()
    assert told(good) == ""
    assert told(good + good) == ""
    assert told(good * 17) == "has more than 16 PEM blocks"
    assert told(f"name: x\n{good}") == "has text before its first PEM block"
    assert told(f"{good}trailer\n") == "has text behind a PEM block"
    assert told(good.replace("-----END PUBLIC KEY-----\n", "")) == (
        "has a PEM block without its `-----END PUBLIC KEY-----`"
    )
    assert told(good.replace("MFkw", "AAAA")) == "the PEM public key cannot be read"
    assert told(good + good.replace("MFkw", "AAAA")) == "PEM public key 2 cannot be read"
    assert told(certificate_pem()) == "has a PEM block of kind `CERTIFICATE` where `PUBLIC KEY` is expected"
    assert told(key_pem("secp256k1")) == (
        "the PEM public key is on curve secp256k1; P-256, P-384 and P-521 are supported"
    )
    secret = private_pem()
    assert told(secret) == "is a private key; a policy needs the public one, and the private one must not be here"


def test_ca_certificates(tmp_path: Path) -> None:
    def told(data: str) -> list[str]:
        block = indented(data, 10)
        text = f"keyless:\n      identities: [{{issuer: i, subject: s}}]\n      ca-cert:\n        data: {block}"
        return [line.partition("ca-cert.data: ")[2] for line in read(tmp_path, policy(authority=text))[1]]

    assert told(certificate_pem()) == []
    assert told(certificate_pem() * 2) == []
    assert told(key_pem()) == ["has a PEM block of kind `PUBLIC KEY` where `CERTIFICATE` is expected"]
    assert told(certificate_pem().replace("MII", "AAA")) == ["PEM certificate 1 cannot be read"]


def test_what_was_given_is_never_repeated_by_the_library(tmp_path: Path) -> None:
    canary = "s3cr3t-canary"
    _, said = read(tmp_path, policy(authority=f"key: {{data: {canary}, kms: {canary}, hashAlgorithm: {canary}}}"))
    assert len(said) == 3
    assert canary not in "".join(said)


@pytest.mark.parametrize("language,name", [("cue", "CUE"), ("rego", "Rego")])
def test_other_languages_are_refused_not_ignored(tmp_path: Path, language: str, name: str) -> None:
    attestation = f"attestations: [{{name: a, predicateType: spdx, policy: {{type: {language}, data: x}}}}]"
    documents, said = read(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))
    assert len(said) == 1
    assert f"attestations[0].policy.type: {name} is not supported here; write the condition in CEL" in said[0]
    assert not documents.loaded


@pytest.mark.parametrize(
    "field,problem",
    [
        ("remote: {url: 'https://x.example', sha256sum: a}", "remote: is not supported here: a policy must not change"),
        ("configMapRef: {name: a, key: b}", "configMapRef: is not supported here: a policy must not change unseen"),
        ("includeSpec: true", "includeSpec: is not allowed for an attestation, whose condition sees `statement` and"),
        ("fetchConfigFile: true", "fetchConfigFile: is not allowed for an attestation"),
        ("data: ''", "policy: `data` must not be empty"),
        ("fetchConfigFile: 'true'", "fetchConfigFile: must be `true` or `false`, without quotes"),
    ],
)
def test_conditions_are_in_the_document(tmp_path: Path, field: str, problem: str) -> None:
    data = "" if field.startswith("data") else "data: 'true', "
    attestation = f"attestations: [{{name: a, predicateType: spdx, policy: {{type: cel, {data}{field}}}}}]"
    _, said = read(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))
    assert len(said) == 1
    assert problem in said[0]


def test_cel_without_its_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "find_spec", lambda _: None)
    attestation = "attestations: [{name: a, predicateType: spdx, policy: {type: cel, data: 'true'}}]"
    documents, said = read(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))
    assert len(said) == 1
    assert said[0].endswith("policy: `data` CEL is not supported here: install Pratique with its extra `cel`")
    assert not documents.loaded


@pytest.mark.parametrize(
    "expression,problem",
    [
        ("predicate.builder.id == 'x'", ""),
        ("statement.subject.exists(s, s.name == 'x')", ""),
        ("predicate.good", ""),
        ("1 + 1", "must give true or false, not a value of type"),
        (
            "predicat.x == 1",
            "is no CEL expression over statement and predicate: 1:9: undeclared reference",
        ),
        ("a ==", "is no CEL expression over statement and predicate: 1:"),
        ("x" * 8193, "must be no more than 8192 characters"),
    ],
)
def test_cel_is_checked_when_it_is_loaded(tmp_path: Path, expression: str, problem: str) -> None:
    attestation = f'attestations: [{{name: a, predicateType: spdx, policy: {{type: cel, data: "{expression}"}}}}]'
    documents, said = read(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))
    if not cel.available() and "8192" not in problem:
        problem = "CEL is not supported here"
    if problem:
        assert len(said) == 1
        assert f"policy: `data` {problem}" in said[0]
        assert "\n" not in said[0]
    else:
        assert said == []
        (found,) = documents.of("ClusterImagePolicy")
        assert found.authorities[0].attestations[0].cel == expression


@pytest.mark.parametrize(
    "expression,expected",
    [
        ("^https://github\\.com/me/.*$", []),
        ("\\Ahttps://github\\.com/me/.*\\z", []),
        ("^(a|b)$", []),
        ("^[|]$", []),
        ("^a\\|b$", []),
        ("^[]|]$", []),
        ("^[^]|]$", []),
        ("https://github.com/me/.*", ["anchored"]),
        ("^https://github.com/me/", ["anchored"]),
        ("https://github.com/me/x$", ["anchored"]),
        ("^a|b$", ["anchored"]),
        ("^x\\$", ["anchored"]),
        (".*", ["everything", "anchored"]),
        ("^.*$", ["everything"]),
        ("^.+$", ["everything"]),
        ("^https://.*$", ["everything"]),
        ("^[^ ]*$", ["everything"]),
        ("^.+@.+$", ["everything"]),
        ("^https://github.com/.*$", ["github.com"]),
        ("^https://gitlab\\.com/.+$", ["gitlab.com"]),
        ("^https://git(hub|lab)\\.com/.+$", ["github.com", "gitlab.com"]),
        ("^https://github\\.com/[^/]+/release/.*$", []),
    ],
)
def test_advice_on_expressions(expression: str, expected: list[str]) -> None:
    told = patterns.advice(expression)
    assert len(told) == len(expected), told
    assert all(word in text for word, text in zip(expected, told, strict=True))


def test_an_expression_has_limits() -> None:
    with pytest.raises(ValueError, match="no more than 2048 characters"):
        patterns.compiled("a" * 2049)
    with pytest.raises(ValueError, match="is not an RE2 expression"):
        patterns.compiled("((((a{100}){100}){100}){100}){100}")


GLOB = 'glob: "ghcr.io/me/**"'


@pytest.mark.parametrize(
    "change,warning",
    [
        ((GLOB, "glob: '*'"), "7:5: spec.images[0].glob: means `index.docker.io/library/*`"),
        ((GLOB, "glob: '*/*'"), "7:5: spec.images[0].glob: means `index.docker.io/*/*`"),
        ((GLOB, "glob: ghcr.io/me/app"), "7:5: spec.images[0].glob: does not cover the same image by"),
        ((GLOB, "glob: ghcr.io/me/app:*"), "write `ghcr.io/me/app**` to cover every tag and digest"),
        (
            ("keyless: {", "keyless: {url: 'http://fulcio.fulcio-system.svc', "),
            "9:15: spec.authorities[0].keyless.url: is never contacted",
        ),
        (
            ("keyless: {", "keyless: {insecureIgnoreSCT: true, "),
            "9:15: spec.authorities[0].keyless.insecureIgnoreSCT: is meant for a private CA",
        ),
        (
            (KEYLESS, KEYLESS + "\n    ctlog: {url: 'http://rekor.rekor-system.svc'}"),
            "10:13: spec.authorities[0].ctlog.url: is never contacted",
        ),
        (
            (KEYLESS, KEYLESS + "\n    source: [{oci: a.example/b, signaturePullSecrets: [{name: x}]}]"),
            "10:33: spec.authorities[0].source[0].signaturePullSecrets: not read",
        ),
        ((KEYLESS, "static: {action: pass}"), "9:5: spec.authorities[0].static: admits every matching image"),
        (
            (KEYLESS, KEYLESS + "\n  - static: {action: pass}"),
            "10:5: spec.authorities[1].static: admits every matching image without any signature, so the other",
        ),
        (("  name: p\n", "  name: p\n  namespace: x\n"), "5:3: metadata.namespace: has no meaning"),
        (("spec:\n", "spec:\n  match: [{resource: apples}]\n"), "6:12: spec.match[0].resource: `apples` is none of"),
    ],
)
def test_warnings_do_not_stop_a_document(tmp_path: Path, change: tuple[str, str], warning: str) -> None:
    text = policy()
    assert change[0] in text
    documents, said = read(tmp_path, text.replace(*change))
    assert len(documents.loaded) == 1
    assert len(said) == 1
    assert warning in said[0]
    assert read(tmp_path, text)[1] == []


def test_reading_policies_brings_no_cryptography_unless_there_is_a_key() -> None:
    program = "import sys; import app.config.documents; print('cryptography' in sys.modules, 'sigstore' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False False\n"

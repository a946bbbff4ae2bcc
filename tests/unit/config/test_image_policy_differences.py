"""The rows of docs/image-policies.md that differ from policy-controller, one test each, in the order of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.images.matching import PolicySet
from app.core.images.policy import ResourceMatch
from app.core.images.reference import Reference
from tests.unit.config.documents import KEYLESS, certificate_pem, indented, key_pem, only, policy, read

DIGEST = f"sha256:{'a' * 64}"


def named(directory: Path, text: str, image: str, *labels: dict[str, str], resource: str = "pods") -> bool:
    """Whether the policy of a text is about an image in an object."""
    policies = PolicySet([only(directory, text)])
    group = "apps" if resource == "deployments" else ""
    return bool(policies.policies_for(Reference.parse(image), image, group, "v1", resource, labels))


def refused(directory: Path, text: str) -> str:
    documents, said = read(directory, text)
    assert not documents.loaded
    assert len(said) == 1
    return said[0]


def test_1_expressions_match_the_whole_text(tmp_path: Path) -> None:
    _, said = read(tmp_path, policy(authority="keyless: {identities: [{issuer: i, subjectRegExp: github.com/me/}]}"))
    assert len(said) == 1
    assert "subjectRegExp: is not anchored" in said[0]


def test_2_catch_all_expressions_draw_a_warning(tmp_path: Path) -> None:
    text = policy(authority="keyless: {identities: [{issuerRegExp: ^.*$, subjectRegExp: ^.*$}]}")
    documents, said = read(tmp_path, text)
    assert len(documents.loaded) == 1
    assert ["matches practically everything" in line for line in said] == [True, True]


@pytest.mark.parametrize(
    "image", ["nginx", "docker.io/nginx", "docker.io/library/nginx:latest", "library/nginx:latest"]
)
@pytest.mark.parametrize("glob", ["docker.io/**", "nginx", "index.docker.io/library/nginx**"])
def test_3_every_spelling_of_an_image_is_the_image(tmp_path: Path, glob: str, image: str) -> None:
    assert named(tmp_path, policy(glob=glob), image)


def test_4_a_glob_with_a_tag_draws_a_warning(tmp_path: Path) -> None:
    text = policy(glob="ghcr.io/me/app:v1")
    assert not named(tmp_path, text, f"ghcr.io/me/app:v1@{DIGEST}")
    assert ["does not cover the same image by digest" in line for line in read(tmp_path, text)[1]] == [True]


def test_5_labels_of_the_pod_template_count_too(tmp_path: Path) -> None:
    text = policy(
        spec="  match: [{group: apps, version: v1, resource: deployments, selector: {matchLabels: {a: b}}}]\n"
    )
    assert named(tmp_path, text, "ghcr.io/me/app", {}, {"a": "b"}, resource="deployments")
    assert named(tmp_path, text, "ghcr.io/me/app", {"a": "b"}, {}, resource="deployments")
    assert not named(tmp_path, text, "ghcr.io/me/app", {}, {}, resource="deployments")


def test_6_absent_fields_of_match_stand_for_anything(tmp_path: Path) -> None:
    text = policy(spec="  match: [{resource: deployments}]\n")
    assert only(tmp_path, text).matches == (ResourceMatch(resource="deployments"),)
    assert named(tmp_path, text, "ghcr.io/me/app", resource="deployments")
    assert not named(tmp_path, text, "ghcr.io/me/app", resource="pods")


def test_7_a_kind_in_place_of_a_resource_is_refused(tmp_path: Path) -> None:
    assert "did you mean `pods`?" in refused(tmp_path, policy(spec="  match: [{resource: Pod, version: v1}]\n"))


def test_8_no_authority_is_an_error_whatever_the_settings(tmp_path: Path) -> None:
    text = policy().partition("  authorities")[0]
    assert "needs `authorities`" in refused(tmp_path, text)


def test_9_no_condition_is_ignored(tmp_path: Path) -> None:
    attestation = "attestations: [{name: a, predicateType: spdx, policy: {type: cue, data: x}}]"
    assert "CUE is not supported here" in refused(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))
    assert "spec.policy: " in refused(tmp_path, policy(spec="  policy: {type: rego, data: x}\n"))


def test_10_keys_are_in_the_document(tmp_path: Path) -> None:
    assert "keys in Secrets" in refused(tmp_path, policy(authority="key: {secretRef: {name: x}}"))
    assert "keys in a KMS" in refused(tmp_path, policy(authority="key: {kms: 'gcpkms://x'}"))


def test_11_several_keys_are_alternatives(tmp_path: Path) -> None:
    (authority,) = only(tmp_path, policy(authority=f"key:\n      data: {indented(key_pem() * 2, 8)}")).authorities
    assert authority.by.pem.count(b"BEGIN PUBLIC KEY") == 2  # type: ignore[union-attr]


def test_12_ca_cert_is_used(tmp_path: Path) -> None:
    text = "keyless:\n      identities: [{issuer: i, subject: s}]\n      ca-cert:\n        data: "
    (authority,) = only(tmp_path, policy(authority=text + indented(certificate_pem(), 10))).authorities
    assert authority.by.ca_cert == certificate_pem().strip().encode()  # type: ignore[union-attr]


def test_13_a_certificate_always_needs_a_trusted_time(tmp_path: Path) -> None:
    (authority,) = only(tmp_path, policy(authority=f"{KEYLESS}\n    ctlog: {{}}")).authorities
    assert authority.log == "required"


def test_14_log_and_timestamp_if_both_are_given(tmp_path: Path) -> None:
    more = "\n    ctlog: {url: 'https://rekor.sigstore.dev'}\n    rfc3161timestamp: {}"
    (authority,) = only(tmp_path, policy(authority=KEYLESS + more)).authorities
    assert (authority.log, authority.timestamps) == ("required", "required")


def test_15_urls_are_never_contacted(tmp_path: Path) -> None:
    more = "\n    ctlog: {url: 'http://rekor.rekor-system.svc'}"
    assert "ctlog.url: is never contacted" in read(tmp_path, policy(authority=KEYLESS + more))[1][0]


def test_16_a_trust_root_must_exist(tmp_path: Path) -> None:
    more = "\n    rfc3161timestamp: {trustRootRef: ours}"
    assert "there is no TrustRoot `ours`" in refused(tmp_path, policy(authority=KEYLESS + more))


@pytest.mark.parametrize("form", ["legacy", "bundle"])
def test_17_the_format_is_found_out(tmp_path: Path, form: str) -> None:
    formed = only(tmp_path, policy(authority=f"{KEYLESS}\n    signatureFormat: {form}")).authorities
    assert formed == only(tmp_path, policy()).authorities


def test_18_source_has_no_secrets_and_no_prefix(tmp_path: Path) -> None:
    source = "\n    source: [{oci: a.example/b, signaturePullSecrets: [{name: x}]}]"
    documents, said = read(tmp_path, policy(authority=KEYLESS + source))
    assert len(documents.loaded) == 1
    assert "signaturePullSecrets: not read" in said[0]
    assert "tagPrefix: prefixes" in refused(tmp_path, policy(authority=f"{KEYLESS}\n    source: [{{tagPrefix: x}}]"))


def test_19_predicate_types_are_exact(tmp_path: Path) -> None:
    attestation = "attestations: [{name: a, predicateType: my-type}]"
    assert "must be a URI or one of" in refused(tmp_path, policy(authority=f"{KEYLESS}\n    {attestation}"))


def test_20_names_are_given_once(tmp_path: Path) -> None:
    assert "is named twice" in refused(
        tmp_path, policy(authority=f"{{name: a, {KEYLESS}}}\n  - {{name: a, {KEYLESS}}}")
    )


def test_21_unknown_fields_are_errors(tmp_path: Path) -> None:
    assert "did you mean `authorities`?" in refused(tmp_path, policy(spec="  authoritys: []\n"))


def test_every_row_of_the_table_has_its_test() -> None:
    page = (Path(__file__).parents[3] / "docs" / "image-policies.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    numbers = [int(row) for row in rows if row.isdigit()]
    tests = [int(name.split("_")[1]) for name in globals() if name.startswith("test_") and name.split("_")[1].isdigit()]
    assert numbers == sorted(tests) == list(range(1, len(tests) + 1))

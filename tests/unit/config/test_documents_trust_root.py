"""TrustRoot documents, and policies that refer to them: what is accepted, and that neither goes without the other."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from app.config.documents import EMPTY, Id, load_directory, update
from app.config.trust_sources import CertificateChain, LogKey, SigstoreKeys, TrustSource, TufRemote, TufRepository
from tests.unit.config.documents import certificate_pem, key_pem, policy, private_pem, read

ROOT = json.dumps({"signed": {"_type": "root"}, "signatures": [{"keyid": "a", "sig": "b"}]}).encode()
ARCHIVE = gzip.compress(b"a tar")


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def root(spec: str, name: str = "ours") -> str:
    """A TrustRoot; its spec's content starts in line 6."""
    return f"apiVersion: policy.sigstore.dev/v1alpha1\nkind: TrustRoot\nmetadata:\n  name: {name}\nspec:\n{spec}"


def authority(chain: str | None = None) -> str:
    chain = b64(certificate_pem()) if chain is None else chain
    return f"{{subject: {{organization: o, commonName: c}}, uri: 'https://ca.example', certChain: {chain}}}"


def log(key: str | None = None, algorithm: str = "sha-256") -> str:
    key = b64(key_pem()) if key is None else key
    return f"{{baseURL: 'https://log.example', hashAlgorithm: {algorithm}, publicKey: {key}}}"


def keys(*services: str) -> str:
    """`sigstoreKeys` with one of each service."""
    one = {"certificateAuthorities": authority(), "timestampAuthorities": authority(), "tLogs": log(), "ctLogs": log()}
    return "  sigstoreKeys:\n" + "".join(f"    {service}: [{one[service]}]\n" for service in services)


ALL = keys("certificateAuthorities", "tLogs", "ctLogs", "timestampAuthorities")


def source(directory: Path, text: str) -> TrustSource:
    (directory / "root.yaml").write_text(text)
    (found,) = load_directory(directory).of("TrustRoot")
    assert isinstance(found, TrustSource)
    return found


def test_keys(tmp_path: Path) -> None:
    chain = CertificateChain("https://ca.example", "o", "c", certificate_pem().encode())
    key = LogKey("https://log.example", "sha256", key_pem().encode())
    found = source(tmp_path, root(ALL))
    assert found.name == "ours"
    assert len(found.hash) == 64
    assert found.source == SigstoreKeys((chain,), (key,), (key,), (chain,))


def test_a_repository(tmp_path: Path) -> None:
    spec = f"  repository:\n    root: {b64(ROOT)}\n    mirrorFS: |\n"
    spec += "".join(f"      {b64(ARCHIVE)[start : start + 10]}\n" for start in range(0, len(b64(ARCHIVE)), 10))
    assert source(tmp_path, root(spec)).source == TufRepository(ROOT, ARCHIVE, "targets", "trusted_root.json")
    more = spec + "    targets: t\n    trustedRootTarget: r.json\n"
    assert source(tmp_path, root(more)).source == TufRepository(ROOT, ARCHIVE, "t", "r.json")


def test_a_mirror(tmp_path: Path) -> None:
    spec = f"  remote:\n    root: {b64(ROOT)}\n    mirror: https://tuf.example\n"
    assert source(tmp_path, root(spec)).source == TufRemote(ROOT, "https://tuf.example", "targets", "trusted_root.json")
    more = spec + "    targets: t\n    trustedRootTarget: r.json\n"
    assert source(tmp_path, root(more)).source == TufRemote(ROOT, "https://tuf.example", "t", "r.json")


REMOTE = f"{{root: {b64(ROOT)}, mirror: 'https://x.example'}}"


@pytest.mark.parametrize(
    "spec,problem",
    [
        ("  {}", "5:1: spec: needs one of `remote`, `repository`, `sigstoreKeys`"),
        (
            f"  remote: {REMOTE}\n  sigstoreKeys: {{tLogs: [{log()}]}}",
            "5:1: spec: has `remote` and `sigstoreKeys`; give",
        ),
        ("  sigstoreKeys: {}", "6:3: spec.sigstoreKeys: needs `certificateAuthorities`, `tLogs` or `timestampAuth"),
        (
            f"  sigstoreKeys: {{tlogs: [{log()}]}}",
            "6:18: spec.sigstoreKeys.tlogs: unknown field, did you mean `tLogs`?",
        ),
        (f"  sigstoreKeys: {{tLogs: [{log('')}]}}", "publicKey: must be base64 text"),
        (f"  sigstoreKeys: {{tLogs: [{log('x')}]}}", "publicKey: is not base64"),
        (f"  sigstoreKeys: {{tLogs: [{log(b64('nonsense'))}]}}", "publicKey: is not PEM"),
        (f"  sigstoreKeys: {{tLogs: [{log(b64(bytes([200])))}]}}", "publicKey: is not the base64 encoding"),
        (f"  sigstoreKeys: {{tLogs: [{log(b64(key_pem() * 2))}]}}", "publicKey: must be one public key"),
        (f"  sigstoreKeys: {{tLogs: [{log(b64(private_pem()))}]}}", "publicKey: is a private key"),
        (
            f"  sigstoreKeys: {{tLogs: [{log(algorithm='md5')}]}}",
            "hashAlgorithm: must be one of sha256, sha384, sha512",
        ),
        (f"  sigstoreKeys: {{timestampAuthorities: [{authority(b64(key_pem()))}]}}", "certChain: has a PEM block of"),
        (
            f"  sigstoreKeys: {{timestampAuthorities: [{authority(repr('-----BEGIN CERTIFICATE-----'))}]}}",
            "certChain: must be the base64 encoding of the PEM text, not the PEM text itself",
        ),
        ("  remote: {root: e30=, mirror: 'https://x.example'}", "6:12: spec.remote.root: is not a TUF root.json"),
        (
            "  remote: {root: eA==, mirror: 'https://x.example'}",
            "spec.remote.root: is not the base64 encoding of a TUF",
        ),
        (
            f"  remote: {{root: {b64(ROOT.replace(b'root', b'snap'))}, mirror: 'https://x.example'}}",
            "spec.remote.root: is TUF metadata, but not of type root",
        ),
        (f"  remote: {{root: {b64(ROOT)}, mirror: ''}}", "spec.remote.mirror: must not be empty"),
        (
            f"  remote: {{root: {b64(ROOT)}, mirror: 'file:///x'}}",
            "spec.remote.mirror: must be a URL with http or https",
        ),
        (f"  repository: {{root: {b64(ROOT)}, mirrorFS: {b64(ROOT)}}}", "mirrorFS: is not the base64 encoding"),
        (f"  repository: {{root: {b64(ROOT)}}}", "6:3: spec.repository.mirrorFS: is missing"),
    ],
)
def test_what_is_wrong_with_a_root(tmp_path: Path, spec: str, problem: str) -> None:
    documents, said = read(tmp_path, root(spec))
    assert len(said) == 1
    assert problem in said[0]
    assert not documents.loaded


def test_there_is_no_later_version(tmp_path: Path) -> None:
    _, said = read(tmp_path, root(ALL).replace("v1alpha1", "v1beta1"))
    assert len(said) == 1
    assert said[0].endswith("is no version of TrustRoot, did you mean `policy.sigstore.dev/v1alpha1`?")


def test_cas_without_a_certificate_log_draw_a_warning(tmp_path: Path) -> None:
    documents, said = read(tmp_path, root(keys("certificateAuthorities", "tLogs")))
    assert len(documents.loaded) == len(said) == 1
    assert said[0].startswith("6:3: spec.sigstoreKeys: has no `ctLogs`: keyless authorities that use it need")


KEYLESS = "keyless: {trustRootRef: ours, identities: [{issuer: i, subject: s}]}"
PLAIN = "keyless: {identities: [{issuer: i, subject: s}]}"


def test_a_policy_finds_the_root_in_whatever_file_it_is(tmp_path: Path) -> None:
    more = "\n    ctlog: {trustRootRef: ours}\n    rfc3161timestamp: {trustRootRef: other}"
    (tmp_path / "a.yaml").write_text(policy(authority=KEYLESS + more))
    (tmp_path / "z.yaml").write_text(root(ALL) + "---\n" + root(ALL, "other"))
    documents = load_directory(tmp_path)
    (one,) = documents.of("ClusterImagePolicy")
    (found,) = one.authorities
    assert (found.by.trust_root, found.log_trust_root, found.timestamp_trust_root) == ("ours", "ours", "other")
    assert documents.loaded[Id("ClusterImagePolicy", "p")].references == {
        Id("TrustRoot", "ours"),
        Id("TrustRoot", "other"),
    }


@pytest.mark.parametrize(
    "more,log_root,timestamp_root",
    [
        ("", "ours", ""),
        ("\n    ctlog: {url: 'https://rekor.example'}", "ours", ""),
        ("\n    rfc3161timestamp: {}", "", "ours"),
    ],
)
def test_a_root_serves_the_whole_authority(tmp_path: Path, more: str, log_root: str, timestamp_root: str) -> None:
    documents, said = read(tmp_path, root(ALL) + "---\n" + policy(authority=KEYLESS + more))
    assert said == []
    (one,) = documents.of("ClusterImagePolicy")
    assert (one.authorities[0].log_trust_root, one.authorities[0].timestamp_trust_root) == (log_root, timestamp_root)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(policy(authority=KEYLESS.replace("ours", "our")))
    (tmp_path / "z.yaml").write_text(root(ALL))
    documents, problems = update(EMPTY, tmp_path)
    assert [one.text for one in problems] == [
        "spec.authorities[0].keyless.trustRootRef: there is no TrustRoot `our`, did you mean `ours`?"
    ]
    assert [key.kind for key in documents.loaded] == ["TrustRoot"]


@pytest.mark.parametrize(
    "services,first,problem",
    [
        (("tLogs",), KEYLESS, "keyless.trustRootRef: TrustRoot `ours` has no certificateAuthorities, so no signature"),
        (("certificateAuthorities", "ctLogs"), KEYLESS, "keyless.trustRootRef: TrustRoot `ours` has no tLogs"),
        (
            ("timestampAuthorities",),
            f"{PLAIN}\n    ctlog: {{trustRootRef: ours}}",
            "ctlog.trustRootRef: TrustRoot `ours` has",
        ),
        (("tLogs",), f"{PLAIN}\n    rfc3161timestamp: {{trustRootRef: ours}}", "has no timestampAuthorities"),
        (("certificateAuthorities", "ctLogs"), f"{KEYLESS}\n    rfc3161timestamp: {{}}", "has no timestampAuthorities"),
    ],
)
def test_a_root_without_what_is_asked_of_it(
    tmp_path: Path, services: tuple[str, ...], first: str, problem: str
) -> None:
    documents, said = read(tmp_path, root(keys(*services)) + "---\n" + policy(authority=first))
    assert len(said) == 1
    assert problem in said[0]
    assert [key.kind for key in documents.loaded] == ["TrustRoot"]


def test_a_root_stays_as_long_as_a_policy_needs_it(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(policy(authority=KEYLESS))
    (tmp_path / "r.yaml").write_text(root(ALL) + "---\n" + root(ALL, "unneeded"))
    before = load_directory(tmp_path)
    (tmp_path / "r.yaml").unlink()
    after, problems = update(before, tmp_path)
    assert [str(key) for key in after.loaded] == ["ClusterImagePolicy/p", "TrustRoot/ours"]
    assert [one.text for one in problems] == [
        "TrustRoot/ours is gone, but ClusterImagePolicy/p is still in force and refers to it; both stay",
        "spec.authorities[0].keyless.trustRootRef: there is no TrustRoot `ours`; there is none at all",
    ]
    assert len(after.stale) == 2
    (tmp_path / "p.yaml").write_text(policy(authority=PLAIN))
    after, problems = update(after, tmp_path)
    assert ([str(key) for key in after.loaded], problems) == (["ClusterImagePolicy/p"], ())


def test_a_bad_root_leaves_the_good_one_to_its_policies(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(policy(authority=KEYLESS))
    (tmp_path / "r.yaml").write_text(root(ALL))
    before = load_directory(tmp_path)
    (tmp_path / "r.yaml").write_text(root("  sigstoreKeys: {}"))
    (tmp_path / "p.yaml").write_text(policy(authority=KEYLESS, glob="quay.io/**"))
    after, problems = update(before, tmp_path)
    assert len(problems) == 1
    assert after.of("TrustRoot") == before.of("TrustRoot")
    (one,) = after.of("ClusterImagePolicy")
    assert one.images == ("quay.io/**",)
    assert after.stale == (Id("TrustRoot", "ours"),)

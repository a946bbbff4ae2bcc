"""`pratique verify`: the engine's verdict for people, programs and exit codes."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.main import pratique
from app.cli.verify import exit_code
from tests.simulators.registry import OciRegistry
from tests.simulators.registry_faults import reply
from tests.simulators.sigstore import SPDX, statement
from tests.unit.images.image_world import GOOD, ISSUER, KEY, OTHER_KEY, SUBJECT, Shop, opened, signature_layer

IDENTITY = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER]
POLICY = """
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {{name: ci}}
spec:
  images: [{{glob: "{glob}"}}]
  authorities:
    - keyless:
        identities: [{{issuer: {issuer}, subjectRegExp: '{subject}'}}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path) as shop:
        yield shop


@pytest.fixture
def run(shop: Shop, tmp_path: Path) -> Any:
    """Run the command on an image of the shop; a trusted root and the insecure registry are given."""

    def call(*arguments: str, image: str = ":v1", root: bool = True, **more: Any) -> Result:
        where = ["--insecure-registry", shop.registry.netloc]
        trust = ["--trusted-root", str(tmp_path / "trusted_root.json")] if root else []
        environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), **more.pop("env", {})}
        command = ["verify", f"{shop.context}{image}", *where, *trust, *arguments]
        return CliRunner().invoke(pratique, command, env=environment, **more)

    return call


def test_a_signed_image_is_verified(shop: Shop, run: Any) -> None:
    digest = shop.image()
    shop.bundle(digest)
    result = run(*IDENTITY)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for word in (
        f"{shop.context}:v1: verified",
        digest,
        f"signed by {SUBJECT} (issuer {ISSUER})",
        "counts",
        "referrer",
    ):
        assert word in result.stdout


def test_an_unsigned_image_is_not_verified(shop: Shop, run: Any) -> None:
    shop.image()
    result = run(*IDENTITY)
    assert result.exit_code == 1
    for word in ("not verified", "it is not signed", "expected", SUBJECT, ISSUER):
        assert word in result.stdout


def test_every_signature_is_shown_with_why_it_does_not_count(shop: Shop, run: Any) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless("evil@example.com")))
    shop.layers(digest, ".sig", signature_layer(digest, KEY, log=False))
    shop.attest(digest, SPDX)
    shop.bundle(digest)
    result = run(*IDENTITY)
    assert result.exit_code == 0
    for word in ("found     4", "evil@example.com", "signed with a bare key", "not an image signature", "the tag .sig"):
        assert word in result.stdout
    assert result.stdout.count("does not count") == 3


def test_json(shop: Shop, run: Any) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless("evil@example.com")))
    result = run(*IDENTITY, "-o", "json")
    assert result.exit_code == 1
    tree = json.loads(result.stdout)
    assert (tree["image"], tree["verified"]) == (f"{shop.context}:v1", False)
    (one,) = tree["results"]
    assert (one["verdict"], one["digest"]) == ("not verified", digest)
    assert SUBJECT in one["expected"]
    assert one["found"] == [
        {
            "where": "referrers",
            "kind": "bundle v0.3",
            "digest": one["found"][0]["digest"],
            "identity": "evil@example.com",
            "issuer": ISSUER,
            "counted": False,
            "whyNot": f'signed by "evil@example.com" (issuer "{ISSUER}")',
        }
    ]


def test_what_cannot_be_checked_has_its_own_exit_code(shop: Shop, run: Any) -> None:
    shop.image()
    shop.registry.fault(reply(503, Retry_After="60"))
    result = run(*IDENTITY)
    assert result.exit_code == 4
    assert "could not be checked" in result.stdout
    assert shop.registry.netloc in result.stdout


@pytest.mark.parametrize("signer,code", [(KEY, 0), (OTHER_KEY, 1)])
def test_keys(shop: Shop, run: Any, tmp_path: Path, signer: Any, code: int) -> None:
    shop.layers(shop.image(), ".sig", signature_layer(shop.image(), KEY))
    key = tmp_path / "cosign.pub"
    key.write_bytes(signer.public_pem)
    assert run("--key", str(key)).exit_code == code
    assert run("--key", str(key), "--insecure-ignore-tlog", root=False).exit_code == code


def test_a_key_without_a_log_is_refused_unless_that_is_wanted(shop: Shop, run: Any, tmp_path: Path) -> None:
    shop.layers(shop.image(), ".sig", signature_layer(shop.image(), KEY, log=False))
    key = tmp_path / "cosign.pub"
    key.write_bytes(KEY.public_pem)
    assert run("--key", str(key)).exit_code == 1
    assert run("--key", str(key), "--insecure-ignore-tlog").exit_code == 0


@pytest.mark.parametrize(
    "subject,issuer,code",
    [
        (".*@example.com", "https://.*", 0),
        ("dev@example", "https://.*", 1),  # not the whole text, where cosign would accept it
        (".*@example.com", "issuer", 1),
    ],
)
def test_expressions_match_the_whole_text(shop: Shop, run: Any, subject: str, issuer: str, code: int) -> None:
    shop.bundle(shop.image())
    result = run("--certificate-identity-regexp", subject, "--certificate-oidc-issuer-regexp", issuer)
    assert result.exit_code == code


@pytest.mark.parametrize("kind,code", [("spdxjson", 0), (SPDX, 0), ("cyclonedx", 1), ("vuln", 1)])
def test_attestations(shop: Shop, run: Any, kind: str, code: int) -> None:
    shop.attest(shop.image(), SPDX)
    assert run(*IDENTITY, "--type", kind).exit_code == code


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize(
    "glob,subject,code",
    [("**", ".*@example.com", 0), ("**", "other@example.com", 1), ("ghcr.io/**", ".*@example.com", 1)],
)
def test_policies(shop: Shop, run: Any, tmp_path: Path, *, directory: bool, glob: str, subject: str, code: int) -> None:
    shop.bundle(shop.image())
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "ci.yaml").write_text(POLICY.format(glob=glob, issuer=ISSUER, subject=subject))
    result = run("--policy", str(policies if directory else policies / "ci.yaml"))
    assert result.exit_code == code, result.output
    assert ("no policy is about this image" in result.stdout) is glob.startswith("ghcr")


def test_a_policy_that_wants_a_digest_says_which(shop: Shop, run: Any, tmp_path: Path) -> None:
    digest = shop.image()
    shop.bundle(digest)
    text = POLICY.format(glob="**", issuer=ISSUER, subject=".*@example.com")
    text = text.replace("{name: ci}", "{name: ci, annotations: {pratique.dev/require-digest: 'true'}}")
    (tmp_path / "ci.yaml").write_text(text)
    result = run("--policy", str(tmp_path / "ci.yaml"))
    assert result.exit_code == 1
    assert f"{shop.context}@{digest}" in result.stdout
    assert run("--policy", str(tmp_path / "ci.yaml"), image=f"@{digest}").exit_code == 0


@pytest.mark.parametrize(
    "text,words",
    [
        ("kind: ClusterImagePolicy", ["bad.yaml", "apiVersion"]),
        (POLICY.format(glob="**", issuer=ISSUER, subject="("), ["bad.yaml:9", "subjectRegExp"]),
        (POLICY.format(glob="**", issuer=ISSUER, subject="a").replace("glob:", "glbo:"), ["did you mean"]),
        (POLICY.format(glob="**", issuer=ISSUER, subject="a") * 2, ["bad.yaml"]),
        ("", ["no ClusterImagePolicy"]),
        ("{", ["bad.yaml"]),
        (None, ["cannot read"]),
    ],
)
def test_policies_that_cannot_be_used(run: Any, tmp_path: Path, text: str | None, words: list[str]) -> None:
    if text is not None:
        (tmp_path / "bad.yaml").write_text(text)
    result = run("--policy", str(tmp_path / "bad.yaml"))
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments,words",
    [
        ([], "say who must have signed"),
        (["--key", "k", *IDENTITY], "say who must have signed"),
        (["--key", "k", "--policy", "p"], "say who must have signed"),
        (IDENTITY[:2], "without its issuer"),
        (IDENTITY[2:], "without its issuer"),
        ([*IDENTITY, "--certificate-identity-regexp", "x"], "exclude each other"),
        ([*IDENTITY, "--certificate-oidc-issuer-regexp", "x"], "exclude each other"),
        (["--policy", "p", "--type", "spdx"], "the policy says which"),
        ([*IDENTITY, "--registry-username", "ann"], "go together"),
        (["--certificate-identity-regexp", "(", *IDENTITY[2:]], "not an RE2 expression"),
        (["--key", "/nonexistent.pub"], "cannot read /nonexistent.pub"),
        ([*IDENTITY, "--trusted-root", "/nonexistent.json"], "/nonexistent.json"),
        ([*IDENTITY, "--require", "both"], "both"),
    ],
)
def test_usage_errors_are_2_and_say_what_to_do(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(pratique, ["verify", "r.example/app:v1", *arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_key_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("nonsense")
    result = CliRunner().invoke(pratique, ["verify", "r.example/app", "--key", str(tmp_path / "k")])
    assert result.exit_code == 2
    assert "not a PEM public key" in result.stderr
    assert "\nhint: " in result.stderr


def test_what_is_no_reference_is_a_usage_error() -> None:
    result = CliRunner().invoke(pratique, ["verify", "UPPER/Case:", *IDENTITY])
    assert result.exit_code == 2
    assert "is no image reference" in result.stderr


def test_help_says_how_and_loads_nothing() -> None:
    result = CliRunner().invoke(pratique, ["verify", "--help"])
    assert result.exit_code == 0
    for word in ("Examples:", "Exit codes: 0 verified", "--certificate-identity-regexp", "--insecure-ignore-tlog"):
        assert word in result.stdout


def test_exit_codes() -> None:
    good, bad, unknown = (True, False), (False, False), (False, True)
    assert exit_code([good, good]) == 0
    assert exit_code([good, bad, unknown]) == 1
    assert exit_code([good, unknown]) == 4


def test_login(tmp_path: Path) -> None:
    with OciRegistry(users={"ann": "canary"}) as registry:
        settings = ["--insecure-registry", registry.netloc, "--key", str(tmp_path / "k"), "--insecure-ignore-tlog"]
        (tmp_path / "k").write_bytes(KEY.public_pem)
        digest = registry.push_image("app", "v1")
        tag = digest.replace(":", "-") + ".sig"
        registry.push_artifact("app", None, "", [signature_layer(digest, KEY)], tag=tag)
        command = ["verify", f"{registry.netloc}/app:v1", *settings]
        right = {"PRATIQUE_VERIFY_REGISTRY_USERNAME": "ann", "PRATIQUE_VERIFY_REGISTRY_PASSWORD": "canary"}
        environment = {"HOME": str(tmp_path)}
        assert CliRunner().invoke(pratique, command, env={**environment, **right}).exit_code == 0
        wrong = CliRunner().invoke(pratique, [*command, "--registry-username=ann", "--registry-password=canary2"])
        assert wrong.exit_code == 4
        assert "canary" not in wrong.output


def test_a_file_as_root_means_that_only_the_registry_is_asked(
    shop: Shop, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.bundle(shop.image())
    real, asked = socket.socket.connect, set()

    def connect(self: socket.socket, address: Any) -> None:
        asked.add(address[1] if isinstance(address, tuple) else address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert run(*IDENTITY).exit_code == 0
    assert asked <= {shop.registry.port}

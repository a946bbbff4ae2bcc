import base64
import json
from pathlib import Path

import pytest

from app.images.registry import (
    Anonymous,
    Chain,
    Credential,
    DockerConfig,
    DockerConfigFile,
    InvalidCredentials,
    Kind,
    RegistryError,
    identity,
)
from app.images.registry.cloud import ACR, CLOUDS, ECR, GCR, CloudCredentials

ANN = Credential("ann", "secret-of-ann")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(**auths: object) -> DockerConfig:
    return DockerConfig.parse(json.dumps({"auths": auths}).encode(), "secret shop/pull")


def users(found: DockerConfig, context: str) -> list[str]:
    return [credential.username for credential in found.candidates(context)]


def keyed(*keys: str) -> DockerConfig:
    return config(**{key: {"username": key, "password": "p"} for key in keys})


@pytest.mark.parametrize(
    ("key", "context", "matches"),
    [
        ("ghcr.io", "ghcr.io/me/app", True),
        ("https://ghcr.io", "ghcr.io/me/app", True),
        ("https://ghcr.io/", "ghcr.io/me/app", True),
        ("http://ghcr.io/v2/", "ghcr.io/me/app", True),
        ("GHCR.io", "ghcr.io/me/app", True),
        ("ghcr.io", "ghcr.io.evil.example/me/app", False),
        ("ghcr.io", "evil-ghcr.io/me/app", False),
        ("ghcr.io", "ghcr.io:5000/me/app", False),
        ("ghcr.io:5000", "ghcr.io:5000/me/app", True),
        ("ghcr.io:5000", "ghcr.io/me/app", False),
        ("ghcr.io/me", "ghcr.io/me/app", True),
        ("ghcr.io/me", "ghcr.io/you/app", False),
        ("ghcr.io/me/app", "ghcr.io/me/app", True),
        ("ghcr.io/me", "ghcr.io/me2/app", True),  # as the kubelet: a plain prefix
        ("https://index.docker.io/v1/", "index.docker.io/library/nginx", True),
        ("docker.io", "index.docker.io/library/nginx", True),
        ("registry-1.docker.io", "index.docker.io/library/nginx", True),
        ("docker.io/me", "index.docker.io/me/app", True),
        ("*.example.com", "a.example.com/x", True),
        ("*.example.com", "a.b.example.com/x", False),
        ("*.example.com", "example.com/x", False),
        ("*.*.example.com", "a.b.example.com/x", True),
        ("*.example.com", "a.example.com:443/x", False),
        ("reg-?.example.com/team", "reg-1.example.com/team/app", True),
        ("*", "ghcr.io/me/app", False),
    ],
)
def test_keys_match_as_the_kubelet_matches_them(key: str, context: str, matches: bool) -> None:
    assert bool(keyed(key).candidates(context)) is matches


def test_the_longest_path_comes_first_and_globs_last() -> None:
    found = keyed("*.example", "r.example", "r.example/team/app", "r.example/team", "other.example")
    expected = ["r.example/team/app", "r.example/team", "r.example", "*.example"]
    assert users(found, "r.example/team/app") == expected


def test_auth_may_have_colons_in_the_password_and_no_padding() -> None:
    text = encoded("ann:a:b:c").rstrip("=")
    (found,) = config(**{"r.example": {"auth": text}}).candidates("r.example/x")
    assert (found.username, found.password) == ("ann", "a:b:c")


def test_auth_wins_over_user_and_password() -> None:
    (found,) = config(**{"r.example": {"auth": encoded("a:b"), "username": "c", "password": "d"}}).candidates(
        "r.example/x"
    )
    assert (found.username, found.password) == ("a", "b")


def test_tokens() -> None:
    entries = config(a={"identitytoken": "t1"}, b={"auth": encoded("x:y"), "registrytoken": "t2"}, c={}, d={"auth": ""})
    assert entries.candidates("a/x") == [Credential(identity_token="t1")]
    assert entries.candidates("b/x") == [Credential("x", "y", registry_token="t2")]
    assert entries.candidates("c/x") == entries.candidates("d/x") == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON"),
        (b'{"auths":[]}', "no JSON"),
        (b'{"auths":{"r":{"auth":5}}}', "no JSON"),
        (b'{"auths":{"r":{"auth":"!!"}}}', "auth of r is not"),
        (b'{"auths":{"r":{"auth":"' + encoded("nocolon").encode() + b'"}}}', "auth of r is not"),
        (b'{"auths":{"r":{"registrytoken":"a\\r\\nb"}}}', "registrytoken of r"),
        (b"[" * 100_000, "no JSON"),
        (b" " * (1 << 20) + b"{}", "larger"),
    ],
)
def test_what_cannot_be_read_is_told_without_its_content(content: bytes, told: str) -> None:
    with pytest.raises(InvalidCredentials, match=told) as refused:
        DockerConfig.parse(content, "secret shop/pull")
    assert "secret shop/pull" in str(refused.value)
    assert "nocolon" not in str(refused.value)


def test_secrets_of_both_types() -> None:
    auths = {"r.example": {"username": "ann", "password": "secret-of-ann"}}
    both = {
        ".dockerconfigjson": json.dumps({"auths": auths}).encode(),
        ".dockercfg": json.dumps(auths).encode(),
    }
    for kind in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"):
        assert DockerConfig.of_secret(kind, both, "s").candidates("r.example/x") == [ANN]
    with pytest.raises(InvalidCredentials, match="none of a pull secret"):
        DockerConfig.of_secret("Opaque", both, "s")
    with pytest.raises(InvalidCredentials, match=r"s has no \.dockercfg"):
        DockerConfig.of_secret("kubernetes.io/dockercfg", {}, "s")


def test_a_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    source = DockerConfigFile(file)
    with pytest.raises(InvalidCredentials, match=r"config\.json cannot be read"):
        source.candidates("r.example/x")
    file.write_text(json.dumps({"auths": {"r.example": {"username": "ann", "password": "one"}}}))
    assert users(source, "r.example/x") == ["ann"]  # type: ignore[arg-type]
    replacement = tmp_path / "new"
    replacement.write_text(json.dumps({"auths": {"r.example": {"username": "bob", "password": "two"}}}))
    replacement.replace(file)
    assert users(source, "r.example/x") == ["bob"]  # type: ignore[arg-type]


def test_no_text_shows_a_secret() -> None:
    full = Credential("ann", "secret-of-ann", "identity-secret", "registry-secret")
    texts = [repr(full), str(full), f"{full}", repr([full]), repr(config(r={"auth": encoded("ann:secret-of-ann")}))]
    assert not any("secret" in text or "ann" in text for text in texts)


def test_identities_tell_credentials_apart() -> None:
    different = [
        Credential("ab", "c"),
        Credential("a", "bc"),
        Credential("", "abc"),
        Credential("abc", ""),
        Credential(identity_token="abc"),
        Credential(registry_token="abc"),
    ]
    assert len({credential.identity for credential in different}) == len(different)
    assert Credential("a", "b").identity == Credential("a", "b").identity
    assert identity([]) == ""
    assert identity(different[:2]) != identity(different[1::-1])
    assert len(identity(different)) == 32


def test_a_chain_gives_each_credential_once_in_order() -> None:
    bob = Credential("bob", "p")
    first = DockerConfig((("r.example", bob), ("r.example", ANN)))
    second = DockerConfig((("r.example", ANN), ("r.example", Credential("eve", "p"))))
    found = Chain((Anonymous(), first, second)).candidates("r.example/x")
    assert [credential.username for credential in found] == ["bob", "ann", "eve"]


@pytest.mark.parametrize(
    ("host", "extra"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "ecr"),
        ("gcr.io", "gcr"),
        ("eu.gcr.io", "gcr"),
        ("europe-west1-docker.pkg.dev", "gcr"),
        ("me.azurecr.io", "acr"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", ""),
        ("x.dkr.ecr.eu-west-1.amazonaws.com", ""),
        ("123456789012.dkr.ecr.evil.example", ""),
        ("evil.example.gcr.io.evil.example", ""),
        ("a.b.gcr.io", ""),
        ("docker.pkg.dev", ""),
        ("azurecr.io", ""),
        ("me.azurecr.io:443", ""),
        ("me.azurecr.io\n", ""),
    ],
)
def test_clouds_own_only_their_hosts(host: str, extra: str) -> None:
    assert next((cloud.extra for cloud in CLOUDS if cloud.owns(host)), "") == extra


def test_clouds_that_are_enabled_but_not_installed_are_told() -> None:
    source = CloudCredentials(enabled=(ECR, ACR))
    assert source.candidates("ghcr.io/me/app") == source.candidates("eu.gcr.io/x") == ()
    with pytest.raises(RegistryError, match=r"Azure Container Registry is not installed .*pratique\[acr\]") as refused:
        source.candidates("me.azurecr.io/app")
    assert refused.value.kind is Kind.UNAUTHORIZED


def test_an_installed_cloud_is_asked() -> None:
    class Fake:
        def credential(self, host: str) -> Credential:
            return Credential("oauth2accesstoken", host)

    source = CloudCredentials(enabled=(GCR,), providers={"gcr": Fake()})
    assert source.candidates("eu.gcr.io/p/app") == (Credential("oauth2accesstoken", "eu.gcr.io"),)

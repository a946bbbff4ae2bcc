import pytest

from app.core.images.reference import InvalidReference, Reference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    "text,registry,repository,tag,digest",
    [
        ("nginx", "index.docker.io", "library/nginx", "latest", ""),
        ("nginx:1.27", "index.docker.io", "library/nginx", "1.27", ""),
        (f"nginx@{DIGEST}", "index.docker.io", "library/nginx", "", DIGEST),
        (f"nginx:1.27@{DIGEST}", "index.docker.io", "library/nginx", "1.27", DIGEST),
        ("user/app", "index.docker.io", "user/app", "latest", ""),
        ("docker.io/nginx", "index.docker.io", "library/nginx", "latest", ""),
        ("index.docker.io/library/nginx", "index.docker.io", "library/nginx", "latest", ""),
        ("registry-1.docker.io/nginx", "index.docker.io", "library/nginx", "latest", ""),
        ("ghcr.io/me/app:v1", "ghcr.io", "me/app", "v1", ""),
        ("GHCR.io/me/app:v1", "ghcr.io", "me/app", "v1", ""),
        ("localhost/x", "localhost", "x", "latest", ""),
        ("host:5000/a", "host:5000", "a", "latest", ""),
        (f"host:5000/a:b@{DIGEST}", "host:5000", "a", "b", DIGEST),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "latest", ""),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest", ""),
        ("Host/app", "host", "app", "latest", ""),
        ("a__b/c--d", "index.docker.io", "a__b/c--d", "latest", ""),
    ],
)
def test_parts(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    assert Reference.parse(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "nginx ",
        "nginx\n",
        "Nginx",
        "ghcr.io/Me/app",
        "ghcr.io/",
        "ghcr.io//app",
        "ghcr.io/../app",
        "https://ghcr.io/app",
        "user@host/app",
        "a___b",
        "a/-b",
        "nginx:",
        "nginx:" + "t" * 129,
        "nginx:a:b",
        "nginx@",
        "nginx@sha256:abc",
        f"nginx@sha256:{HEX.upper()}",
        f"nginx@SHA256:{HEX}",
        f"nginx@sha512:{HEX}{HEX}",
        f"nginx@{DIGEST}@{DIGEST}",
        HEX,
        "a" * 256,
        "ghcr.io/app:t\u0000",
        "ghcr.io/\u0430pp",
        "-host.io/app",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.summary.isascii()
    assert caught.value.summary.isprintable()


def test_names() -> None:
    tagged = Reference.parse("nginx")
    assert tagged.name == "index.docker.io/library/nginx:latest"
    pinned = tagged.at(DIGEST)
    assert pinned.name == f"index.docker.io/library/nginx@{DIGEST}"
    assert pinned.context == "index.docker.io/library/nginx"
    assert pinned.tag == "latest"

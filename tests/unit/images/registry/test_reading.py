"""Small readers of foreign text: challenges, URLs, nesting, NO_PROXY."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.images.registry.challenge import Challenge, challenges
from app.images.registry.content import is_digest, referrers_of, require_shallow
from app.images.registry.errors import Failure, Kind, RegistryError, plain
from app.images.registry.operation import Operation
from app.images.registry.proxies import proxy_for
from app.images.registry.settings import HostSettings, RegistrySettings
from app.images.registry.urls import Url


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s"', [Challenge("bearer", "https://a/t", "s")]),
        ("bearer REALM=https://a/t, Service=s", [Challenge("bearer", "https://a/t", "s")]),
        ('Basic realm="x", Bearer realm="y"', [Challenge("basic", "x"), Challenge("bearer", "y")]),
        ('Bearer realm="a,b \\"c\\""', [Challenge("bearer", 'a,b "c"')]),
        ('Bearer realm="first",realm="second"', [Challenge("bearer", "first")]),
        ('Negotiate, Bearer realm="y"', [Challenge("bearer", "y")]),
        ("Basic", [Challenge("basic")]),
        ("Digest realm=x", []),
        ('realm="x"', []),
        ('Bearer realm="unclosed', [Challenge("bearer", "unclosed")]),
        ('Bearer realm="', [Challenge("bearer", "")]),
        ("Bearer realm=", [Challenge("bearer", "")]),
        ('"Bearer"', []),
        ("", []),
        ("Bearer " + "x" * 9000, []),
    ],
)
def test_challenges(header: str, expected: list[Challenge]) -> None:
    assert challenges([header]) == expected


@given(st.text(max_size=200))
def test_any_header_is_read(header: str) -> None:
    assert all(challenge.scheme in {"basic", "bearer"} for challenge in challenges([header]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://R.example/a?b=c", Url("https", "r.example", 443, "/a?b=c")),
        ("https://r.example", Url("https", "r.example", 443, "/")),
        ("http://[::1]:5000/x", Url("http", "::1", 5000, "/x")),
        ("/next", Url("https", "base.example", 443, "/next")),
        ("//other.example/x", Url("https", "other.example", 443, "/x")),
        ("https://r.example/x#fragment", Url("https", "r.example", 443, "/x")),
    ],
)
def test_urls(text: str, expected: Url) -> None:
    assert Url.parse(text, Url.parse("https://base.example/v2/x")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://r.example/",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://a@r.example/",
        "https://r.example:0/",
        "https://r.example:99999/",
        "https://r exa/",
        "https://r.example/\r\nX: 1",
        "https://r\u00e9.example/",
        "https://r.example\\@evil/",
        "https://a%2fb/",
        "https://[::1/",
        "https://r.example/" + "x" * 9000,
    ],
)
def test_urls_that_are_refused(text: str) -> None:
    with pytest.raises(Failure) as refused:
        Url.parse(text)
    assert refused.value.kind is Kind.PROTOCOL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}"\\ab', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[]{}"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=30,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(JSON, st.integers(0, 6))
def test_nesting_is_measured_exactly(value: object, limit: int) -> None:
    document = json.dumps(value).encode()
    if depth(value) <= limit:
        require_shallow(document, limit)
    else:
        with pytest.raises(Failure):
            require_shallow(document, limit)


@pytest.mark.parametrize(
    ("digest", "good"),
    [
        (f"sha256:{'a' * 64}", True),
        (f"sha256:{'A' * 64}", False),
        (f"SHA256:{'a' * 64}", False),
        (f"sha256:{'a' * 63}", False),
        (f"sha256:{'a' * 65}", False),
        (f"sha256:{'g' * 64}", False),
        (f"sha256:{'a' * 63}\n", False),
        (f"sha512:{'a' * 128}", False),
        ("", False),
    ],
)
def test_digests(digest: str, good: bool) -> None:
    assert is_digest(digest) is good


def test_broken_referrers_do_not_hide_good_ones() -> None:
    good = {"mediaType": "m", "digest": f"sha256:{'a' * 64}", "size": 1, "annotations": {"k": "v"}}
    broken = [5, {}, {**good, "size": -1}, {**good, "digest": "sha512:x"}, {**good, "annotations": {"k": 1}}]
    (found,) = referrers_of(json.dumps({"manifests": [*broken, good]}).encode(), 64)
    assert (found.digest, found.annotations) == (good["digest"], {"k": "v"})
    assert referrers_of(b'{"manifests":null}', 64) == referrers_of(b"{}", 64) == []


@pytest.mark.parametrize(
    ("url", "rules", "proxied"),
    [
        ("https://r.example/", "", True),
        ("https://r.example/", "*", False),
        ("https://r.example/", "r.example", False),
        ("https://a.r.example/", "r.example", False),
        ("https://xr.example/", "r.example", True),
        ("https://a.r.example/", ".r.example", False),
        ("https://r.example/", ".r.example", True),
        ("https://r.example:5000/", "r.example:5000", False),
        ("https://r.example:5001/", "r.example:5000", True),
        ("https://10.1.2.3/", "10.0.0.0/8", False),
        ("https://11.1.2.3/", "10.0.0.0/8,nonsense/99", True),
        ("https://10.1.2.3/", "x, 10.1.2.3", False),
        ("https://[2001:db8::1]/", "2001:db8::1", False),
        ("https://localhost/", "", False),
        ("https://127.0.0.2/", "", False),
        ("http://r.example/", "", False),
    ],
)
def test_proxies_of_the_environment(url: str, rules: str, proxied: bool) -> None:
    environment = {"HTTPS_PROXY": "proxy.example:8080", "no_proxy": rules}
    found = proxy_for(Url.parse(url), HostSettings(), environment)
    assert (found is not None) is proxied
    if found is not None:
        assert (found.host, found.port) == ("proxy.example", 8080)


def test_proxies_of_a_host() -> None:
    url = Url.parse("https://localhost/")
    environment = {"HTTPS_PROXY": "http://other.example"}
    chosen = proxy_for(url, HostSettings(proxy="http://ann:p%40ss@proxy.example:1"), environment)
    assert chosen is not None
    assert chosen.headers == (("proxy-authorization", "Basic YW5uOnBAc3M="),)
    assert proxy_for(Url.parse("https://r.example/"), HostSettings(proxy=""), environment) is None
    for bad in ("https://proxy.example", "socks5://proxy.example", "http://"):
        with pytest.raises(Failure):
            proxy_for(url, HostSettings(proxy=bad), {})


def test_settings_by_host() -> None:
    one, two, three, four = (HostSettings(proxy=name) for name in "1234")
    settings = RegistrySettings(
        hosts={"r.example": one, "r.example:5000": two, "*.example": three, "*.b.example": four}
    )
    assert settings.of("r.example") is settings.of("r.example", 443) is one
    assert settings.of("r.example", 5000) is two
    assert settings.of("x.example") is three
    assert settings.of("a.b.example") is four
    assert settings.of("example") is settings.default


def test_an_error_is_one_line_with_everything_in_it() -> None:
    error = RegistryError(Kind.UNREACHABLE, "r.example", "manifest v1 of a/b", "it fails", status=503, seconds=1.25)
    assert str(error) == (
        "registry r.example: manifest v1 of a/b: it fails (HTTP 503, 1.2 s); "
        "check that the registry is up and that the webhook's pod may connect to it"
    )


def test_secrets_are_blanked_in_any_case_and_longest_first() -> None:
    operation = Operation("r.example", "a call", 0.0)
    operation.hide("Sesame", "Sesame-Open", "abc")
    error = operation.error(Failure(Kind.PROTOCOL, "to sesame-open.example and SESAME abc"))
    assert "to ***.example and *** abc" in str(error)


@given(st.text())
def test_foreign_text_becomes_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert all(" " <= character <= "~" for character in shown)
    assert len(shown) <= 303

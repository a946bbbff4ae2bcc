"""Names in certificates, and which of them a policy permits."""

import time
from typing import Any

import pytest
from cryptography import x509

from app.core.images.policy import Identity, Keyless
from app.images.trust import Code, identity
from app.images.trust.errors import TrustError
from tests.simulators import sigstore_der as asn1
from tests.simulators.sigstore_keys import NOW
from tests.unit.images.trust.world import GOOD, ISSUER, SUBJECT, bundle, refused, signature

WORKFLOW = "https://github.com/me/app/.github/workflows/release.yml@refs/heads/main"
EMAIL, URI = x509.RFC822Name, x509.UniformResourceIdentifier

CERTIFICATES: dict[str, dict[str, Any]] = {
    "no name": {"subject": []},
    "two addresses": {"subject": [EMAIL(SUBJECT), EMAIL("evil@example.com")]},
    "the same address twice": {"subject": [EMAIL(SUBJECT), EMAIL(SUBJECT)]},
    "an address and a URI": {"subject": [EMAIL(SUBJECT), URI(WORKFLOW)]},
    "an address and a host": {"subject": [EMAIL(SUBJECT), x509.DNSName("example.com")]},
    "a host only": {"subject": [x509.DNSName("example.com")]},
    "an address that looks like a URI": {"subject": [EMAIL._init_without_validation(WORKFLOW)]},
    "an address without a host": {"subject": [EMAIL._init_without_validation("dev")]},
    "a URI that looks like an address": {"subject": [URI._init_without_validation(SUBJECT)]},
    "a very long URI": {"subject": [URI(WORKFLOW + "x" * 5000)]},
    "other name": {
        "subject": [x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), asn1.utf8(SUBJECT))],
    },
    "no issuer": {"v1_issuer": None, "v2_issuer": None},
    "two issuers": {"v1_issuer": "https://evil.test"},
    "two issuers, the old one right": {"v2_issuer": asn1.utf8("https://evil.test")},
    "issuer is no UTF8String": {"v2_issuer": ISSUER.encode()},
    "issuer is an octet string": {"v2_issuer": asn1.octets(ISSUER.encode())},
    "issuer with a tail": {"v2_issuer": asn1.utf8(ISSUER) + b"x", "v1_issuer": None},
    "issuer with a long length": {"v2_issuer": b"\x0c\x81" + bytes([len(ISSUER)]) + ISSUER.encode(), "v1_issuer": None},
    "issuer cut off": {"v2_issuer": asn1.utf8(ISSUER)[:-1], "v1_issuer": None},
    "issuer without text": {"v2_issuer": asn1.utf8(""), "v1_issuer": None},
    "issuer that is not UTF-8": {"v2_issuer": asn1.tlv(0x0C, b"\xff\xfe"), "v1_issuer": None},
    "old issuer that is not UTF-8": {"v1_issuer": None, "v2_issuer": None, "raw": {"1": b"\xff\xfe"}},
    "an endless issuer": {"issuer": "https://issuer.test/" + "x" * 5000, "v1_issuer": None},
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates_that_name_nobody(name: str) -> None:
    options = dict(CERTIFICATES[name])
    raw = options.pop("raw", None)
    signer = GOOD.fulcio.leaf([EMAIL(SUBJECT)], raw, starts=NOW) if raw else GOOD.keyless(**options)
    # Every name that could be meant is permitted: it is the certificate that is wrong.
    by = Keyless((Identity(issuer_regexp="(?s).*", subject_regexp="(?s).*"),))
    tree = GOOD.bundle(signer=signer)
    with pytest.raises(TrustError) as caught:
        bundle(tree, by=by)
    assert caught.value.code in {Code.CERTIFICATE, Code.UNTRUSTED_ROOT}
    layer = GOOD.signature(signer=signer)
    with pytest.raises(TrustError) as caught:
        signature(layer, by=by)
    assert caught.value.code in {Code.CERTIFICATE, Code.UNTRUSTED_ROOT}


def permitted(subject: str, one: Identity, issuer: str = ISSUER) -> bool:
    try:
        identity.permit(identity.Signer(issuer, subject), [one])
    except TrustError as error:
        if error.code not in {Code.IDENTITY, Code.ISSUER}:
            raise
        return False
    return True


@pytest.mark.parametrize(
    "expression, subject, expected",
    [
        ("https://github.com/me/.*", WORKFLOW, True),
        ("https://github.com/me", WORKFLOW, False),
        ("https://github.com/me/.*", "https://evil.test/https://github.com/me/x", False),
        ("https://github\\.com/me/.*", "https://githubXcom/me/x", False),
        ("^https://github.com/me/.*$", WORKFLOW, True),
        ("https://github.com/me/app", "https://github.com/me/app\n", False),
        ("https://github.com/me/app$", "https://github.com/me/app\n", False),
        ("https://github.com/me/.*", "https://github.com/me/a\nb", False),
        ("https://github.com/(me|us)/.*", "https://github.com/us/x", True),
        ("a|https://github.com/me/x", "https://github.com/me/x", True),
        ("https://github.com/me/x|", "", True),
        ("(?i)https://GITHUB.com/me/.*", WORKFLOW, True),
        (".*", WORKFLOW, True),
        ("", WORKFLOW, False),
    ],
)
def test_expressions_match_the_whole_text(expression: str, subject: str, expected: bool) -> None:
    assert permitted(subject, Identity(issuer=ISSUER, subject_regexp=expression)) is expected
    assert permitted(SUBJECT, Identity(issuer_regexp=expression, subject=SUBJECT), issuer=subject) is expected


def test_exact_texts_are_no_expressions() -> None:
    assert not permitted("devXexample.com", Identity(issuer=ISSUER, subject="dev.example.com"))
    assert not permitted(SUBJECT.upper(), Identity(issuer=ISSUER, subject=SUBJECT))
    assert not permitted(SUBJECT + " ", Identity(issuer=ISSUER, subject=SUBJECT))
    assert not permitted(SUBJECT, Identity(issuer=ISSUER + "/", subject=SUBJECT))


@pytest.mark.parametrize("one", [Identity(), Identity(issuer=ISSUER), Identity(subject=SUBJECT)])
def test_a_side_that_is_not_given_permits_nothing(one: Identity) -> None:
    assert not permitted(SUBJECT, one)


def test_the_refusal_names_what_was_expected_and_found() -> None:
    by = Keyless((Identity(issuer=ISSUER, subject_regexp="https://github.com/me/.*"),))
    tree = GOOD.bundle(signer=GOOD.keyless("evil@example.com"))
    error = refused(
        lambda: bundle(tree, by=by), Code.IDENTITY, '"evil@example.com"', f'"{ISSUER}"', '"https://github.com/me/.*"'
    )
    assert "signed by" in error.summary
    assert "expects" in error.summary


def test_many_identities_are_not_all_listed() -> None:
    many = tuple(Identity(issuer=ISSUER, subject=f"{number}@example.com") for number in range(20))
    tree = GOOD.bundle()
    error = refused(lambda: bundle(tree, by=Keyless(many)), Code.IDENTITY, "or 17 more")
    assert len(error.summary) < 800
    endless = tuple(Identity(issuer=ISSUER, subject=f"{number}@example.com") for number in range(300))
    refused(lambda: bundle(tree, by=Keyless(endless)), Code.POLICY)


def test_a_hostile_expression_takes_linear_time() -> None:
    one = Identity(issuer=ISSUER, subject_regexp="(a+)+$")
    before = time.process_time()
    assert not permitted("a" * 4000 + "!", one)
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    "expression", ["(", "(?=x)x", "x{1001}", "(?P<a>x", "\\1", "a" * 3000, "[", "\\pXYZ", "((a{100}){100}){100}"]
)
def test_expressions_that_are_not_re2(expression: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrustError) as caught:
        identity.pattern(expression)
    assert caught.value.code == Code.POLICY
    assert capfd.readouterr() == ("", "")

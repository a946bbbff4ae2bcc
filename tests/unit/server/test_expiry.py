import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.server.expiry import not_after
from app.server.selfsigned import generate

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(end: dt.datetime) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "n" * 60)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(end)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    "end",
    [
        dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2030, 2, 28, 1, 2, 3, tzinfo=dt.UTC),
        dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2050, 1, 1, tzinfo=dt.UTC),  # the first year of GeneralizedTime
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    ],
)
def test_the_end_is_read_to_the_second(end: dt.datetime) -> None:
    assert not_after(certificate(end)) == end.timestamp()


def test_the_first_certificate_of_a_chain_counts() -> None:
    soon, late = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2030, 2040))
    assert not_after("a comment\n" + certificate(soon) + certificate(late)) == soon.timestamp()


def test_the_generated_pair_is_good_for_a_year() -> None:
    pair = generate()
    left = not_after(pair.certificate.decode()) - dt.datetime.now(dt.UTC).timestamp()  # noqa: TID251
    assert 364 * 86400 < left <= 365 * 86400
    parsed = x509.load_pem_x509_certificate(pair.certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "pratique.pratique.svc" in names.get_values_for_type(x509.DNSName)
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


@pytest.mark.parametrize("pem", ["", "nonsense", certificate(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))[:200]])
def test_what_is_no_certificate_is_an_error(pem: str) -> None:
    with pytest.raises(ValueError, match="certificate"):
        not_after(pem)


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x82", b"\x02\x01\x00", b"\x30\x03\x02\x01\x00"])
def test_broken_der_is_an_error(der: bytes) -> None:
    import ssl  # noqa: PLC0415 - only here

    with pytest.raises(ValueError, match=r"certificate|DER"):
        not_after(ssl.DER_cert_to_PEM_cert(der))

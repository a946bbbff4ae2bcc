"""A self-signed certificate for trying Pratique without any set-up; a cluster gives its own files.

Made in a child process: the X.509 library costs 10 MiB that a server would carry for its whole life, and the child
works while the parent imports the rest of the server.
"""

import contextlib
import subprocess
import sys
from dataclasses import dataclass

from app.errors import ConfigError

NAMES = ("localhost", "pratique.pratique.svc", "pratique.pratique.svc.cluster.local")
ADDRESSES = ("127.0.0.1", "::1")
VALID_DAYS = 365


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, PEM."""

    certificate: bytes
    key: bytes


class Generation:
    """A pair in the making, started by the constructor."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "app.server.selfsigned"]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)  # noqa: S603 - constant
        self._pair: Pair | None = None

    def result(self) -> Pair:
        """Wait for the pair, which is always the same.

        Raises:
            ConfigError: the child failed; it has printed why.
        """
        if self._pair is None:
            output, _ = self._child.communicate()
            if self._child.returncode:
                raise ConfigError("could not make a self-signed certificate", "give --tls-cert-file")
            self._pair = Pair(*output.split(b"\0"))
        return self._pair


def generate() -> Pair:
    """Make a P-256 key (the cheapest handshake) and a certificate for `NAMES` and `ADDRESSES`."""
    import datetime as dt  # noqa: PLC0415 - needed in the child only, like cryptography
    import ipaddress  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509 import oid  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, "pratique self-signed")])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the shell
    alternatives = [x509.DNSName(entry) for entry in NAMES]
    addresses = [x509.IPAddress(ipaddress.ip_address(entry)) for entry in ADDRESSES]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*alternatives, *addresses]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), private)


def main() -> None:
    """Write the pair to standard output, which is the parent's pipe: the key is never in a file."""
    pair = generate()
    with contextlib.suppress(BrokenPipeError):  # the parent gave up, and has said why
        sys.stdout.buffer.write(pair.certificate + b"\0" + pair.key)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

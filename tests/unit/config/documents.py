"""What the tests of policy documents share: texts of documents, and a directory to put them into."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.config.documents import EMPTY, Documents, update
from app.core.images.policy import ImagePolicy

ISSUER = "https://token.actions.githubusercontent.com"
KEYLESS = f"keyless: {{identities: [{{issuer: '{ISSUER}', subject: 'https://github.com/me/app'}}]}}"


def policy(name: str = "p", spec: str = "", authority: str = KEYLESS, glob: str = "ghcr.io/me/**") -> str:
    """A ClusterImagePolicy whose document starts at line 1 and whose authority stands in line 9."""
    return f"""\
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: {name}
spec:
  images:
  - glob: "{glob}"
  authorities:
  - {authority}
{spec}"""


@cache
def key_pem(curve: str = "secp256r1") -> str:
    """A public key in PEM."""
    kinds: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp256k1": ec.SECP256K1()}
    key = ec.generate_private_key(kinds[curve]).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def private_pem() -> str:
    """A private key in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    form, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no).decode()


@cache
def certificate_pem() -> str:
    """A self-signed certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=3650))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def indented(text: str, by: int) -> str:
    """A text as a YAML block scalar, header included."""
    return "|\n" + "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def read(directory: Path, text: str, file: str = "policy.yaml") -> tuple[Documents, list[str]]:
    """The documents of a text, and its problems and warnings without the directory's name."""
    (directory / file).write_text(text)
    documents, problems = update(EMPTY, directory)
    said = [*map(str, problems), *documents.warnings]
    assert all(line.startswith(f"{directory}/") for line in said)
    return documents, [line.removeprefix(f"{directory}/").removeprefix("policy.yaml:") for line in said]


def only(directory: Path, text: str) -> ImagePolicy:
    """The one policy of a text that has no problems."""
    documents, _ = read(directory, text)
    (found,) = documents.of("ClusterImagePolicy")
    assert isinstance(found, ImagePolicy)
    return found

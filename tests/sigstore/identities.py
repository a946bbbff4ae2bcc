"""Who signs, and the two services that Fulcio needs beside it: OIDC issuers and a certificate transparency log."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.simulators.sigstore_der import sequence, tlv
from tests.simulators.sigstore_keys import b64, sha256, spki

CLIENT = "sigstore"
_KEY_ID = "test"
_POISON = bytes.fromhex("060a2b06010401d679020403")  # 1.3.6.1.4.1.11129.2.4.3 in DER


@dataclass(frozen=True)
class Person:
    """Somebody with a token: `subject` is what Fulcio writes into the certificate."""

    issuer: str
    """'people' (e-mail addresses) or 'ci' (workflows, named as GitHub's are)."""
    subject: str
    claims: dict[str, Any] = field(default_factory=dict, hash=False)


def human(address: str) -> Person:
    return Person("people", address, {"sub": address, "email": address, "email_verified": True})


def workflow(repository: str, name: str = "release.yml", ref: str = "refs/heads/main") -> Person:
    path = f"{repository}/.github/workflows/{name}@{ref}"
    commit = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    owner = repository.partition("/")[0]
    claims = {
        "sub": f"repo:{repository}:ref:{ref}",
        "event_name": "push",
        "job_workflow_ref": path,
        "job_workflow_sha": commit,
        "ref": ref,
        "repository": repository,
        "repository_id": "1",
        "repository_owner": owner,
        "repository_owner_id": "2",
        "repository_visibility": "public",
        "run_attempt": "1",
        "run_id": "3",
        "runner_environment": "github-hosted",
        "sha": commit,
        "workflow": "release",
        "workflow_ref": path,
        "workflow_sha": commit,
    }
    return Person("ci", f"https://github.com/{path}", claims)


FULCIO_TEMPLATES = {
    "build-signer-uri": "{{ .url }}/{{ .job_workflow_ref }}",
    "build-signer-digest": "job_workflow_sha",
    "build-trigger": "event_name",
    "runner-environment": "runner_environment",
    "source-repository-uri": "{{ .url }}/{{ .repository }}",
    "source-repository-digest": "sha",
    "source-repository-ref": "ref",
    "github-workflow-trigger": "event_name",
    "github-workflow-sha": "sha",
    "github-workflow-name": "workflow",
    "github-workflow-repository": "repository",
    "github-workflow-ref": "ref",
}
"""Extensions of a workflow's certificate, by the claims that they are made of (Fulcio's configuration language)."""


def fulcio_config(issuers: dict[str, str]) -> dict[str, Any]:
    """Fulcio's configuration for the issuers, by kind."""
    return {
        "oidc-issuers": {
            issuers["people"]: {"issuer-url": issuers["people"], "client-id": CLIENT, "type": "email"},
            issuers["ci"]: {
                "issuer-url": issuers["ci"],
                "client-id": CLIENT,
                "type": "ci-provider",
                "ci-provider": "github-workflow",
            },
        },
        "ci-issuer-metadata": {
            "github-workflow": {
                "default-template-values": {"url": "https://github.com"},
                "extension-templates": FULCIO_TEMPLATES,
                "subject-alternative-name-template": "{{ .url }}/{{ .job_workflow_ref }}",
            }
        },
    }


class Services:
    """Two OIDC issuers and a CT log, in threads of this process; `with` starts and stops them."""

    def __init__(self, oidc: rsa.RSAPrivateKey, ct: ec.EllipticCurvePrivateKey) -> None:
        self._oidc, self._ct = oidc, ct
        self._servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) for name in ("people", "ci", "ct")}
        self.urls = {name: f"http://127.0.0.1:{server.server_port}" for name, server in self._servers.items()}

    def __enter__(self) -> Self:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def issuer(self, person: Person) -> str:
        return self.urls[person.issuer]

    def token(self, person: Person) -> str:
        """An identity token that is good for ten minutes (RFC 7519, RS256)."""
        now = int(time.time())
        claims = {"iss": self.issuer(person), "aud": CLIENT, "iat": now, "nbf": now - 5, "exp": now + 600}
        head = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        signed = ".".join(_url64(json.dumps(part).encode()) for part in (head, {**claims, **person.claims}))
        signature = self._oidc.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_url64(signature)}"

    def get(self, host: str, path: str) -> Any:
        """What an issuer publishes; None where there is nothing."""
        issuer = f"http://{host}"
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/keys",
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
            }
        if path == "/keys":
            numbers = self._oidc.public_key().public_numbers()
            modulus, exponent = (_url64(n.to_bytes((n.bit_length() + 7) // 8)) for n in (numbers.n, numbers.e))
            key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID, "n": modulus, "e": exponent}
            return {"keys": [key]}
        return None

    def promise(self, chain: list[str]) -> dict[str, Any]:
        """Promise to log a precertificate (RFC 6962, sections 3.2 and 4.2)."""
        precertificate, issuer = (x509.load_der_x509_certificate(base64.b64decode(each)) for each in chain[:2])
        moment = int(time.time() * 1000)
        tbs = _without_poison(precertificate.tbs_certificate_bytes)
        covered = struct.pack("!BBQH", 0, 0, moment, 1) + sha256(spki(issuer.public_key()))
        covered += len(tbs).to_bytes(3) + tbs + b"\0\0"
        signature = self._ct.sign(covered, ec.ECDSA(hashes.SHA256()))
        return {
            "sct_version": 0,
            "id": b64(sha256(spki(self._ct.public_key()))),
            "timestamp": moment,
            "extensions": "",
            "signature": b64(b"\x04\x03" + struct.pack("!H", len(signature)) + signature),
        }


def _handler(services: Services) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(services.get(self.headers["Host"], self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(services.promise(json.loads(body)["chain"]) if self.path == "/ct/v1/add-pre-chain" else None)

        def _answer(self, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(404 if value is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _elements(der: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, content and whole of each element of DER that stands in a row."""
    start = 0
    while start < len(der):
        size, at = der[start + 1], start + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(der[at : at + width]), at + width
        yield der[start], der[at : at + size], der[start : at + size]
        start = at + size


def _without_poison(tbs: bytes) -> bytes:
    """The to-be-signed part as it will be in the final certificate, before the SCT list is added."""
    ((_, fields, _),) = _elements(tbs)
    parts = []
    for tag, content, whole in _elements(fields):
        if tag != 0xA3:
            parts.append(whole)
            continue
        ((_, listed, _),) = _elements(content)
        kept = [entire for _, inner, entire in _elements(listed) if not inner.startswith(_POISON)]
        parts.append(tlv(0xA3, sequence(*kept)))
    return sequence(*parts)

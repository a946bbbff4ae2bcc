"""A sigstore instance in pure Python: fake Fulcio, CT log, Rekor v1 and v2, TSA, and a signer that writes like cosign.

It writes every format of cosign (simple signing, .att envelopes, bundles v0.1 to v0.3; keyless and by key; with
and without log, timestamp and SCT), in milliseconds, and dishonest variants of each: a test changes what it gets, or
swaps a part of the instance. An instance's keys are new each time, so two instances never trust each other.
"""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.simulators import sigstore_der as asn1
from tests.simulators.sigstore_ca import Fulcio, Tsa, trusted_authority
from tests.simulators.sigstore_keys import NOW, YEAR, Signer, b64, canonical, cert_pem, der, sha256, spki
from tests.simulators.sigstore_log import Log

IN_TOTO = "application/vnd.in-toto+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
SPDX = "https://spdx.dev/Document"
MEDIA_TYPES = {
    "v0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "v0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "v0.3-old": "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "v0.3": "application/vnd.dev.sigstore.bundle.v0.3+json",
}
DIGEST = "sha256:" + hashlib.sha256(b"an image").hexdigest()
OTHER_DIGEST = "sha256:" + hashlib.sha256(b"another image").hexdigest()


def statement(digest: str = DIGEST, predicate_type: str = SIGN, **changes: Any) -> bytes:
    """An in-toto statement; `changes` replace top-level fields."""
    tree = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}, "annotations": {}}],
        "predicateType": predicate_type,
        "predicate": {},
    }
    return canonical({**tree, **changes})


def simple_signing(digest: str = DIGEST, **optional: str) -> bytes:
    """cosign's simple signing payload."""
    tree = {
        "critical": {
            "identity": {"docker-reference": "registry.test/app"},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": optional or None,
    }
    return json.dumps(tree, separators=(",", ":")).encode()


def pae(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    return f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload


class Sigstore:
    """One instance. Parts may be swapped for another instance's to play an attacker."""

    def __init__(self) -> None:
        self.fulcio, self.tsa = Fulcio(), Tsa()
        self.rekor, self.rekor2 = Log("rekor.fake.test"), Log("log2026.rekor.fake.test", 2)

    # -- signers ------------------------------------------------------------------------------------------------------
    def keyless(
        self,
        subject: str | Sequence[x509.GeneralName] = "dev@example.com",
        issuer: str = "https://issuer.test",
        *,
        v1_issuer: str | None = "",
        v2_issuer: bytes | None = b"",
        starts: dt.datetime = NOW - dt.timedelta(seconds=5),
        **options: Any,
    ) -> Signer:
        """A signer with a certificate; the issuer extensions are consistent unless given (None leaves one out)."""
        if isinstance(subject, str):
            kind = x509.UniformResourceIdentifier if "://" in subject else x509.RFC822Name
            names: Sequence[x509.GeneralName] = [kind(subject)]
        else:
            names = subject
        extensions = {}
        if v1_issuer is not None:
            extensions["1"] = (v1_issuer or issuer).encode()
        if v2_issuer is not None:
            extensions["8"] = v2_issuer or asn1.utf8(issuer)
        return self.fulcio.leaf(names, extensions, starts=starts, **options)

    # -- log entry bodies ---------------------------------------------------------------------------------------------
    def _body(self, kind: str, signer: Signer, message: bytes, payload: bytes, signature: bytes) -> dict[str, Any]:
        verifier = signer.verifier_pem
        if kind == "hashedrekord":
            algorithm = signer.hash.name if signer.hash else "sha256"
            spec: dict[str, Any] = {
                "data": {"hash": {"algorithm": algorithm, "value": hashlib.new(algorithm, message).hexdigest()}},
                "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier)}},
            }
        elif kind == "dsse":
            spec = {
                "envelopeHash": {"algorithm": "sha256", "value": sha256(b"not canonical").hex()},
                "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
                "signatures": [{"signature": b64(signature), "verifier": b64(verifier)}],
            }
        else:
            inner = {"publicKey": b64(verifier), "sig": b64(b64(signature).encode())}
            spec = {
                "content": {
                    "envelope": {"payloadType": IN_TOTO, "signatures": [inner]},
                    "hash": {"algorithm": "sha256", "value": sha256(b"not canonical").hex()},
                    "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
                }
            }
        return {"apiVersion": "0.0.2" if kind == "intoto" else "0.0.1", "kind": kind, "spec": spec}

    def _body2(self, signer: Signer, message: bytes, signature: bytes) -> dict[str, Any]:
        algorithm = signer.hash.name if signer.hash else "sha256"
        key = signer.key.public_key()
        details = "PKIX_ECDSA_P256_SHA_256"
        if isinstance(key, ed25519.Ed25519PublicKey):
            details = "PKIX_ED25519"
        elif not isinstance(key, ec.EllipticCurvePublicKey):
            details = "PKIX_RSA_PKCS1V15_2048_SHA256"
        verifier: dict[str, Any] = {"keyDetails": details}
        if signer.certificate:
            verifier["x509Certificate"] = {"rawBytes": b64(der(signer.certificate))}
        else:
            verifier["publicKey"] = {"rawBytes": b64(spki(key))}
        name = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}[algorithm]
        record = {
            "data": {"algorithm": name, "digest": b64(hashlib.new(algorithm, message).digest())},
            "signature": {"content": b64(signature), "verifier": verifier},
        }
        return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}

    # -- bundles ------------------------------------------------------------------------------------------------------
    def bundle(
        self,
        payload: bytes | None = None,
        signer: Signer | None = None,
        *,
        version: str = "v0.3",
        log: str | None = "v1",
        stamp: bool | None = None,
        when: dt.datetime = NOW,
        kind: str = "dsse",
        payload_type: str = IN_TOTO,
        blob: bool = False,
    ) -> dict[str, Any]:
        """A bundle as cosign writes it. `stamp` None: where the log gives no time; `blob`: a file's signature."""
        payload = statement() if payload is None else payload
        signer = signer or self.keyless()
        message = payload if blob else pae(payload, payload_type)
        signature = signer.sign(message)
        material: dict[str, Any] = {}
        if signer.certificate is None:
            material["publicKey"] = {"hint": b64(sha256(spki(signer.key.public_key())))}
        elif version in {"v0.1", "v0.2"}:
            material["x509CertificateChain"] = {"certificates": [{"rawBytes": b64(der(signer.certificate))}]}
        else:
            material["certificate"] = {"rawBytes": b64(der(signer.certificate))}
        if log == "v1":
            body = self._body("hashedrekord" if blob else kind, signer, message, payload, signature)
            material["tlogEntries"] = [self.rekor.append(body, when)]
        elif log == "v2":
            material["tlogEntries"] = [self.rekor2.append(self._body2(signer, message, signature), when)]
        if stamp if stamp is not None else log != "v1" and signer.certificate:
            stamps = [{"signedTimestamp": b64(self.tsa.stamp(signature, when))}]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        tree: dict[str, Any] = {"mediaType": MEDIA_TYPES[version], "verificationMaterial": material}
        if blob:
            digest = {"algorithm": "SHA2_256", "digest": b64(sha256(payload))}
            return {**tree, "messageSignature": {"messageDigest": digest, "signature": b64(signature)}}
        envelope = {"payload": b64(payload), "payloadType": payload_type, "signatures": [{"sig": b64(signature)}]}
        return {**tree, "dsseEnvelope": envelope}

    # -- layers of cosign 2 -------------------------------------------------------------------------------------------
    def signature(
        self, payload: bytes | None = None, signer: Signer | None = None, **options: Any
    ) -> tuple[bytes, dict[str, str]]:
        """A layer of a .sig manifest and its annotations."""
        payload = simple_signing() if payload is None else payload
        signer = signer or self.keyless()
        signature = signer.sign(payload)
        annotations = self._annotations(signer, payload, payload, signature, kind="hashedrekord", **options)
        return payload, {"dev.cosignproject.cosign/signature": b64(signature), **annotations}

    def attestation(
        self,
        payload: bytes | None = None,
        signer: Signer | None = None,
        *,
        kind: str = "dsse",
        stamp_envelope: bool = False,
        payload_type: str = IN_TOTO,
        **options: Any,
    ) -> tuple[bytes, dict[str, str]]:
        """A layer of a .att manifest; `kind` is the log entry's, `stamp_envelope` as old versions of cosign did."""
        payload = (
            statement(predicate_type=SPDX, _type="https://in-toto.io/Statement/v0.1") if payload is None else payload
        )
        signer = signer or self.keyless()
        message = pae(payload, payload_type)
        signature = signer.sign(message)
        signatures = [{"sig": b64(signature)}]
        envelope = json.dumps({"payloadType": payload_type, "payload": b64(payload), "signatures": signatures}).encode()
        stamped = envelope if stamp_envelope else signature
        annotations = self._annotations(signer, message, payload, signature, kind=kind, stamped=stamped, **options)
        return envelope, {"dev.cosignproject.cosign/signature": "", **annotations}

    def _annotations(
        self,
        signer: Signer,
        message: bytes,
        payload: bytes,
        signature: bytes,
        *,
        kind: str,
        log: bool = True,
        stamp: bool = False,
        stamped: bytes = b"",
        when: dt.datetime = NOW,
    ) -> dict[str, str]:
        annotations = {}
        if signer.certificate:
            annotations["dev.sigstore.cosign/certificate"] = cert_pem(signer.certificate).decode()
            annotations["dev.sigstore.cosign/chain"] = b"".join(map(cert_pem, self.fulcio.chain)).decode()
        if log:
            entry = self.rekor.append(self._body(kind, signer, message, payload, signature), when)
            said = {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logIndex": int(entry["logIndex"]),
                "logID": self.rekor.log_id.hex(),
            }
            promise = entry["inclusionPromise"]["signedEntryTimestamp"]
            annotations["dev.sigstore.cosign/bundle"] = json.dumps({"SignedEntryTimestamp": promise, "Payload": said})
        if stamp:
            raw = b64(self.tsa.stamp(stamped or signature, when))
            annotations["dev.sigstore.cosign/rfc3161timestamp"] = json.dumps({"SignedRFC3161Timestamp": raw})
        return annotations

    # -- trust --------------------------------------------------------------------------------------------------------
    def trusted_root(self) -> dict[str, Any]:
        """trusted_root.json as a tree to change."""
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.rekor.trusted(NOW - 2 * YEAR), self.rekor2.trusted(NOW - 2 * YEAR)],
            "certificateAuthorities": [trusted_authority(self.fulcio.chain, "https://fulcio.fake.test")],
            "ctlogs": [self.fulcio.ct_log()],
            "timestampAuthorities": [trusted_authority(self.tsa.chain, "https://tsa.fake.test")],
        }

    def with_parts(self, **parts: Any) -> "Sigstore":
        """A copy with some parts replaced: 'our Fulcio, somebody else's log'."""
        copy = object.__new__(Sigstore)
        copy.__dict__ = {**self.__dict__, **parts}
        return copy


def resign(signer: Signer, **changes: Any) -> Signer:
    """The signer with other fields, for example another hash."""
    return dataclasses.replace(signer, **changes)

"""Sigstore bundles v0.1 to v0.3: signature, certificate or key hint, log entries and timestamps in one document."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from app.core.images.policy import Key, Keyless, LogDuty, StampDuty
from app.images.trust import certificate as certificates
from app.images.trust import dsse, entry, statement, strict
from app.images.trust.errors import Code, fenced, refuse, show
from app.images.trust.evidence import Evidence, Proof, conclude, judge
from app.images.trust.root import TrustRoot
from app.images.trust.signed import Signed, Terms, Verified
from app.images.trust.timestamp import MAX_STAMPS

_WHAT = "the bundle"
MEDIA_TYPES = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": "v0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2": "v0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3": "v0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "v0.3",
}
MAX_ENTRIES = 8
_FIELDS = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"})
_MATERIAL = frozenset({"certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData"})
_SIGNERS = ("certificate", "x509CertificateChain", "publicKey")
_MESSAGE = frozenset({"messageDigest", "signature"})
_CONFIRMED = {  # what sigstore-python supports: log entries of envelopes, and of files
    True: frozenset({("dsse", "0.0.1"), ("hashedrekord", "0.0.2")}),
    False: frozenset({("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2")}),
}


class _Bundle(NamedTuple):
    tree: dict[str, Any]
    material: dict[str, Any]
    version: str


@fenced("the bundle cannot be verified")
def verify_bundle(  # noqa: PLR0913 - the terms are the public contract
    raw: bytes,
    *,
    root: TrustRoot | None,
    by: Keyless | Key,
    digest: str,
    predicate_type: str | None,
    log: LogDuty,
    timestamps: StampDuty,
    now: dt.datetime,
) -> Verified:
    """Verify a bundle about an image. `predicate_type` is the exact URI, None asks for an image signature.

    Raises:
        TrustError: the check that failed.
    """
    bundle = _read(raw)
    if "dsseEnvelope" not in bundle.tree:
        refuse(Code.FORMAT, "the bundle signs a file, not a statement about an image")
    signed = dsse.read(strict.mapping(bundle.tree, "dsseEnvelope", _WHAT))
    proof = _judge(raw, bundle, signed, Terms(root, by, log, timestamps, now))
    return conclude(proof, signed.payload, lambda: statement.check_statement(signed.payload, digest, predicate_type))


@fenced("the bundle cannot be verified")
def verify_artifact_bundle(  # noqa: PLR0913 - the terms are the public contract
    raw: bytes,
    artifact: bytes,
    *,
    root: TrustRoot | None,
    by: Keyless | Key,
    log: LogDuty,
    timestamps: StampDuty,
    now: dt.datetime,
) -> Verified:
    """Verify a bundle about a file: its message signature, or a statement of any type with the file as a subject.

    For files on a command line and for sigstore's conformance cases; images go through `verify_bundle`.

    Raises:
        TrustError: the check that failed.
    """
    bundle = _read(raw)
    terms = Terms(root, by, log, timestamps, now)
    if "dsseEnvelope" in bundle.tree:
        signed = dsse.read(strict.mapping(bundle.tree, "dsseEnvelope", _WHAT))
        proof = _judge(raw, bundle, signed, terms)
        digest = "sha256:" + hashlib.sha256(artifact).hexdigest()
        return conclude(proof, signed.payload, lambda: statement.check_statement(signed.payload, digest, ""))
    signed = _message(bundle, artifact)
    proof = _judge(raw, bundle, signed, terms)
    return conclude(proof, artifact, lambda: ("", {}))


@fenced("the bundle cannot be read")
def claimed_predicate_type(raw: bytes) -> str:
    """The predicate type that a bundle's statement claims, '' for a file's signature: NOT verified.

    For skipping attestations that nobody asked for, before any signature is checked.

    Raises:
        TrustError: with code `format` or `payload-type`.
    """
    bundle = _read(raw)
    if "dsseEnvelope" not in bundle.tree:
        return ""
    signed = dsse.read(strict.mapping(bundle.tree, "dsseEnvelope", _WHAT))
    return strict.text(strict.document(signed.payload, "the statement"), "predicateType", "the statement")


def _read(raw: bytes) -> _Bundle:
    tree = strict.document(raw, _WHAT)
    strict.known(tree, _FIELDS, _WHAT)
    version = MEDIA_TYPES.get(str(tree.get("mediaType")))
    if version is None:
        refuse(Code.FORMAT, f"bundles of type {show(tree.get('mediaType'))} are not supported; v0.1 to v0.3 are")
    if ("dsseEnvelope" in tree) == ("messageSignature" in tree):
        refuse(Code.FORMAT, "the bundle must have either an envelope or a message signature")
    material = strict.mapping(tree, "verificationMaterial", _WHAT)
    strict.known(material, _MATERIAL, "the bundle's verification material")
    if sum(name in material for name in _SIGNERS) != 1:
        refuse(Code.FORMAT, "the bundle must name exactly one of certificate, certificate chain and public key")
    return _Bundle(tree, material, version)


def _message(bundle: _Bundle, artifact: bytes) -> Signed:
    node = strict.mapping(bundle.tree, "messageSignature", _WHAT)
    strict.known(node, _MESSAGE, "the message signature")
    if "messageDigest" in node:
        # Only a hint, as the signature covers the file itself; but one that contradicts the file is a mix-up.
        said = strict.mapping(node, "messageDigest", _WHAT)
        names = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
        algorithm = names.get(str(said.get("algorithm")))
        if algorithm is None or strict.octets(said, "digest", _WHAT) != hashlib.new(algorithm, artifact).digest():
            refuse(Code.DIGEST, "the bundle is about another file: its digest differs")
    return Signed(artifact, strict.octets(node, "signature", _WHAT), artifact, dsse=False)


def _judge(raw: bytes, bundle: _Bundle, signed: Signed, terms: Terms) -> Proof:
    certificate, presented = _certificates(bundle)
    entries = tuple(
        entry.from_bundle(node, promise_needed=bundle.version == "v0.1", proof_needed=bundle.version != "v0.1")
        for node in strict.items(bundle.material, "tlogEntries", _WHAT, MAX_ENTRIES)
    )
    evidence = Evidence(signed, certificate, presented, _stamps(bundle.material), entries)
    proof = judge(evidence, terms)
    _confirm(raw, evidence, terms)
    return proof


def _certificates(bundle: _Bundle) -> tuple[x509.Certificate | None, tuple[x509.Certificate, ...]]:
    """The signing certificate and what else was sent along."""
    material = bundle.material
    if "certificate" in material:
        node = strict.mapping(material, "certificate", _WHAT)
        return certificates.load_der(strict.octets(node, "rawBytes", _WHAT), "the bundle's certificate"), ()
    if "publicKey" in material:
        return None, ()
    if bundle.version == "v0.3":
        refuse(Code.FORMAT, "a bundle v0.3 holds one certificate, not a chain")
    chain = strict.items(
        strict.mapping(material, "x509CertificateChain", _WHAT), "certificates", _WHAT, certificates.MAX_PRESENTED
    )
    if not chain:
        refuse(Code.CERTIFICATE, "the bundle's certificate chain is empty")
    loaded = [
        certificates.load_der(strict.octets(each, "rawBytes", _WHAT), "a certificate of the bundle") for each in chain
    ]
    if any(map(certificates.is_root, loaded[1:])):
        refuse(Code.CERTIFICATE, "the bundle brings its own root certificate along, which the format forbids")
    return loaded[0], tuple(loaded[1:])


def _stamps(material: Mapping[str, Any]) -> tuple[bytes, ...]:
    node = material.get("timestampVerificationData")
    if node is None:
        return ()
    node = strict.mapping(material, "timestampVerificationData", _WHAT)
    listed = strict.items(node, "rfc3161Timestamps", _WHAT, MAX_STAMPS)
    # openssl's tools break base64 into lines, and stamps that were attached by hand keep them. Only here: a stamp is
    # verified against an authority, and its spelling is never compared or returned.
    lines = [strict.text(each, "signedTimestamp", _WHAT).replace("\n", "") for each in listed]
    return tuple(strict.unbase64(line, "the bundle: signedTimestamp") for line in lines)


def _confirm(raw: bytes, evidence: Evidence, terms: Terms) -> None:
    """Ask sigstore-python's Verifier as well, where it supports what was just accepted.

    Not for bundles with timestamps: their CMS structure costs more than everything else together, and would be checked
    twice by the same library. The tests ask for those too.
    """
    by, root, certificate = terms.by, terms.root, evidence.certificate
    if not isinstance(by, Keyless) or by.ca_cert or by.ignore_sct or root is None or certificate is None:
        return
    if len(evidence.entries) != 1 or evidence.stamps:
        return
    only = evidence.entries[0]
    key = certificate.public_key()
    if only.proof is None or only.kind not in _CONFIRMED[evidence.signed.dsse]:
        return
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return
    if not isinstance(key.curve, ec.SECP256R1):
        return
    for log in root.logs.get(only.log_id, ())[:1]:
        if log.opinion is not None:
            log.opinion.confirm(raw, certificate, evidence.signed.payload, dsse=evidence.signed.dsse)

"""Every format that cosign writes is accepted, with the facts that it carries; sigstore-python's Verifier agrees."""

import base64
import concurrent.futures
import datetime as dt
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.core.images.policy import Identity, Key, Keyless
from app.images.trust import TrustRoot, Verified
from tests.simulators.sigstore import DIGEST, SPDX, simple_signing, statement
from tests.simulators.sigstore_keys import NOW, Signer, cert_pem, new_key
from tests.unit.images.trust.world import (
    BY_KEY,
    GOOD,
    ISSUER,
    KEY,
    KEYLESS,
    OTHER_KEY,
    SUBJECT,
    attestation,
    bundle,
    read_root,
    signature,
    trusted,
)

SLSA = "https://slsa.dev/provenance/v1"
FULL = {"log": "required", "timestamps": "none"}
STAMPED = {"log": "required", "timestamps": "required"}
TSA_ONLY = {"log": "ignored", "timestamps": "required"}
BARE = {"log": "ignored", "timestamps": "none"}

KEYLESS_BUNDLES = [
    ({"version": "v0.1"}, FULL, "log v1"),
    ({"version": "v0.2"}, FULL, "log v1"),
    ({"version": "v0.3-old"}, FULL, "log v1"),
    ({"version": "v0.3"}, FULL, "log v1"),
    ({"version": "v0.3", "stamp": True}, FULL, "log v1"),
    ({"version": "v0.3", "stamp": True}, STAMPED, "log v1"),
    ({"version": "v0.2", "kind": "intoto"}, FULL, "log v1"),
    ({"version": "v0.3", "kind": "hashedrekord"}, FULL, "log v1"),
    ({"version": "v0.2", "log": "v2"}, FULL, "log v2+tsa"),
    ({"version": "v0.3", "log": "v2"}, FULL, "log v2+tsa"),
    ({"version": "v0.3", "log": "v2"}, STAMPED, "log v2+tsa"),
    ({"version": "v0.3", "log": None}, TSA_ONLY, "tsa"),
    ({"version": "v0.3", "log": None}, BARE, "tsa"),
    ({"version": "v0.3", "log": "v2"}, TSA_ONLY, "tsa"),
    ({"version": "v0.3"}, BARE, "log v1"),
]


def named(case: Any) -> str:
    return "-".join(f"{value}" for value in case.values()) if isinstance(case, dict) else str(case)


@pytest.mark.parametrize("made, terms, source", KEYLESS_BUNDLES, ids=named)
@pytest.mark.parametrize("predicate_type", [None, SPDX, SLSA])
def test_keyless_bundles(made: dict[str, Any], terms: dict[str, Any], source: str, predicate_type: str | None) -> None:
    payload = statement(predicate_type=predicate_type) if predicate_type else statement()
    tree = GOOD.bundle(payload, **made)
    verified = bundle(tree, predicate_type=predicate_type, **terms)
    kind = predicate_type or "https://sigstore.dev/cosign/sign/v1"
    assert verified == Verified(SUBJECT, ISSUER, NOW, source, kind, payload)  # type: ignore[arg-type]
    if terms["log"] == "required" and made.get("kind", "dsse") == "dsse":
        confirm(tree, payload)


def confirm(tree: dict[str, Any], payload: bytes, root: TrustRoot | None = None) -> None:
    """sigstore-python's own Verifier accepts the bundle too."""
    material = tree["verificationMaterial"]
    holder = material.get("certificate") or material["x509CertificateChain"]["certificates"][0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(holder["rawBytes"]))
    log_id = base64.b64decode(material["tlogEntries"][0]["logId"]["keyId"])
    opinion = (root or trusted()).logs[log_id][0].opinion
    assert opinion is not None
    opinion.confirm(json.dumps(tree).encode(), certificate, payload, dsse=True)


KEYS = {
    "p256": (Signer(new_key("p256")), "sha256"),
    "p384 as cosign 2": (Signer(new_key("p384")), "sha256"),
    "p384 as cosign 3": (Signer(new_key("p384"), hash=hashes.SHA384()), "sha256"),
    "p384 by policy": (Signer(new_key("p384"), hash=hashes.SHA512()), "sha512"),
    "p521 as cosign 2": (Signer(new_key("p521")), "sha256"),
    "p521 as cosign 3": (Signer(new_key("p521"), hash=hashes.SHA512()), "sha256"),
    "p256 sha512": (Signer(new_key("p256"), hash=hashes.SHA512()), "sha512"),
    "rsa2048": (Signer(new_key("rsa2048")), "sha256"),
    "rsa2048 pss": (Signer(new_key("rsa2048"), pss=True), "sha256"),
    "rsa2048 sha512": (Signer(new_key("rsa2048"), hash=hashes.SHA512()), "sha512"),
    "rsa3072": (Signer(new_key("rsa3072")), "sha256"),
    "ed25519": (Signer(new_key("ed25519")), "sha256"),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("log", ["v1", "v2", None])
def test_key_bundles(kind: str, log: str | None) -> None:
    signer, algorithm = KEYS[kind]
    by = Key(signer.public_pem, algorithm)
    duty = "required" if log else "ignored"
    verified = bundle(GOOD.bundle(signer=signer, log=log), by=by, log=duty)
    assert verified.identity.startswith("key ")
    assert verified.issuer == ""
    assert verified.time == (NOW if log == "v1" else None)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("log", [True, False])
def test_key_layers(kind: str, log: bool) -> None:
    signer, algorithm = KEYS[kind]
    by = Key(signer.public_pem, algorithm)
    duty = "required" if log else "ignored"
    first = signature(GOOD.signature(signer=signer, log=log), by=by, log=duty)
    second = attestation(GOOD.attestation(signer=signer, log=log), by=by, log=duty)
    assert first.identity == second.identity
    assert (first.predicate_type, second.predicate_type) == ("", SPDX)


def test_a_key_without_log_needs_no_trust_root() -> None:
    assert signature(GOOD.signature(signer=KEY, log=False), by=BY_KEY, log="ignored", root=None).time is None
    assert bundle(GOOD.bundle(signer=KEY, log=None), by=BY_KEY, log="ignored", root=None).time is None


def test_a_key_with_a_timestamp_authority_instead_of_a_log() -> None:
    tree = GOOD.bundle(signer=KEY, log=None, stamp=True)
    verified = bundle(tree, by=BY_KEY, log="ignored", timestamps="required")
    assert (verified.time, verified.time_source) == (NOW, "tsa")


def test_any_of_several_keys_counts() -> None:
    by = Key(OTHER_KEY.public_pem + b"\n# the next one\n" + KEY.public_pem)
    assert (
        signature(GOOD.signature(signer=KEY), by=by).identity
        == signature(GOOD.signature(signer=KEY), by=BY_KEY).identity
    )


@pytest.mark.parametrize("stamp", [True, False])
def test_keyless_signature_layers(stamp: bool) -> None:
    layer = GOOD.signature(stamp=stamp)
    duty = "required" if stamp else "none"
    assert signature(layer, timestamps=duty) == Verified(SUBJECT, ISSUER, NOW, "log v1", "", layer[0])


def test_signature_layer_with_a_timestamp_instead_of_a_log() -> None:
    assert signature(GOOD.signature(log=False, stamp=True), **TSA_ONLY).time_source == "tsa"


def test_annotations_are_the_signed_ones() -> None:
    assert signature(GOOD.signature(simple_signing(env="prod"))).annotations == {"env": "prod"}
    subject = [{"digest": {"sha256": DIGEST[7:]}, "annotations": {"env": "prod", "n": 1}}]
    assert bundle(GOOD.bundle(statement(subject=subject))).annotations == {"env": "prod"}


@pytest.mark.parametrize("kind", ["dsse", "intoto", "hashedrekord"])
@pytest.mark.parametrize("kind_of_statement", ["v0.1", "v1"])
def test_keyless_attestation_layers(kind: str, kind_of_statement: str) -> None:
    payload = statement(predicate_type=SPDX, _type=f"https://in-toto.io/Statement/{kind_of_statement}")
    verified = attestation(GOOD.attestation(payload, kind=kind))
    assert verified == Verified(SUBJECT, ISSUER, NOW, "log v1", SPDX, payload)


@pytest.mark.parametrize("stamp_envelope", [True, False])
def test_attestation_stamped_by_old_and_new_cosign(stamp_envelope: bool) -> None:
    layer = GOOD.attestation(stamp=True, stamp_envelope=stamp_envelope, log=False)
    assert attestation(layer, **TSA_ONLY).time == NOW


def test_any_subject_of_a_statement_counts() -> None:
    subject = [{"name": "a", "digest": {"sha256": "0" * 64}}, {"name": "b", "digest": {"sha256": DIGEST[7:]}}]
    assert bundle(GOOD.bundle(statement(subject=subject))).identity == SUBJECT


def test_long_ago_but_within_the_certificate() -> None:
    then = NOW - dt.timedelta(days=200)
    for log in ("v1", "v2"):
        signer = GOOD.keyless(starts=then)
        assert bundle(GOOD.bundle(signer=signer, log=log, when=then + dt.timedelta(minutes=2))).time is not None
    signer = GOOD.keyless(starts=then)
    assert signature(GOOD.signature(signer=signer, when=then + dt.timedelta(minutes=2))).time is not None


def test_without_sct_where_the_policy_says_so() -> None:
    by = Keyless(KEYLESS.identities, ignore_sct=True)
    tree = GOOD.bundle(signer=GOOD.keyless(scts=0))
    assert bundle(tree, by=by).identity == SUBJECT
    no_ct = read_root({**GOOD.trusted_root(), "ctlogs": []})
    assert bundle(tree, by=by, root=no_ct).identity == SUBJECT


def test_the_policys_own_ca_replaces_the_roots() -> None:
    no_ca = read_root({**GOOD.trusted_root(), "certificateAuthorities": []})
    whole = b"".join(map(cert_pem, GOOD.fulcio.chain))
    by = Keyless(KEYLESS.identities, ca_cert=whole)
    assert bundle(GOOD.bundle(), by=by, root=no_ca).identity == SUBJECT
    # cosign's chain annotation holds the intermediate that this policy lacks.
    by = Keyless(KEYLESS.identities, ca_cert=cert_pem(GOOD.fulcio.chain[1]))
    assert signature(GOOD.signature(), by=by, root=no_ca).identity == SUBJECT


@pytest.mark.parametrize(
    "identity",
    [
        Identity(issuer_regexp=r"https://issuer\.test", subject_regexp=r".*@example\.com"),
        Identity(issuer=ISSUER, subject_regexp=r"(dev|ops)@example\.com"),
        Identity(issuer_regexp=r"https://.*", subject=SUBJECT),
    ],
)
def test_identities_by_expression(identity: Identity) -> None:
    assert bundle(GOOD.bundle(), by=Keyless((identity,))).identity == SUBJECT


def test_a_uri_identity() -> None:
    workflow = "https://github.com/me/app/.github/workflows/release.yml@refs/tags/v1"
    identity = Identity(issuer=ISSUER, subject_regexp="https://github.com/me/.*")
    tree = GOOD.bundle(signer=GOOD.keyless(workflow))
    assert bundle(tree, by=Keyless((identity,))).identity == workflow


@pytest.mark.parametrize("options", [{"v1_issuer": None}, {"v2_issuer": None}, {}])
def test_the_issuer_in_either_extension(options: dict[str, Any]) -> None:
    assert bundle(GOOD.bundle(signer=GOOD.keyless(**options))).issuer == ISSUER


@pytest.mark.parametrize("kind", ["p384", "p521", "rsa2048"])
def test_certificates_with_other_keys(kind: str) -> None:
    signer = GOOD.keyless(key=new_key(kind))
    assert bundle(GOOD.bundle(signer=signer)).identity == SUBJECT
    assert signature(GOOD.signature(signer=signer)).identity == SUBJECT


def test_an_entry_of_an_unknown_log_next_to_a_known_one() -> None:
    tree = GOOD.bundle()
    entries = tree["verificationMaterial"]["tlogEntries"]
    foreign = json.loads(json.dumps(entries[0]))
    foreign["logId"]["keyId"] = base64.b64encode(b"\1" * 32).decode()
    entries.insert(0, foreign)
    assert bundle(tree).identity == SUBJECT


def test_a_stamp_says_nothing_to_a_root_without_authorities() -> None:
    no_tsa = read_root({**GOOD.trusted_root(), "timestampAuthorities": []})
    assert bundle(GOOD.bundle(stamp=True), root=no_tsa).time_source == "log v1"


def test_the_earliest_trusted_time_is_told() -> None:
    signer = GOOD.keyless(starts=NOW - dt.timedelta(minutes=5))
    tree = GOOD.bundle(signer=signer)
    signed = base64.b64decode(tree["dsseEnvelope"]["signatures"][0]["sig"])
    early = NOW - dt.timedelta(minutes=2)
    stamps = [{"signedTimestamp": base64.b64encode(GOOD.tsa.stamp(signed, early)).decode()}]
    tree["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
    assert bundle(tree).time == early


def test_one_root_serves_many_threads() -> None:
    asked: list[Callable[[], Verified]] = []
    for log in ("v1", "v2"):
        tree = GOOD.bundle(log=log)
        asked.append(functools.partial(bundle, tree))
    layer = GOOD.signature(stamp=True)
    asked.append(lambda: signature(layer))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = [pool.submit(one) for one in asked * 40]
    assert {each.result().identity for each in done} == {SUBJECT}


def test_v01_bundle_with_only_a_promise() -> None:
    tree = GOOD.bundle(version="v0.1")
    del tree["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    assert bundle(tree).time_source == "log v1"

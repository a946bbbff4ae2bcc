"""The trust core's promises, one test a number; the adversarial suites go further into each."""

import ast
import base64
import datetime as dt
import json
import pathlib
import re
from collections.abc import Callable

import pytest

import app.images.trust
from app.core.images.policy import Identity, Key, Keyless
from app.images.trust import Code, TrustError, TrustRoot
from tests.simulators.sigstore import DIGEST, OTHER_DIGEST, SPDX, simple_signing, statement
from tests.simulators.sigstore_keys import NOW, YEAR, iso
from tests.unit.images.trust.tampering import flip, with_evil_ca
from tests.unit.images.trust.world import (
    BY_KEY,
    EVIL,
    GOOD,
    ISSUER,
    KEY,
    KEYLESS,
    SUBJECT,
    attestation,
    bundle,
    identities,
    put,
    read_root,
    refused,
    signature,
    without,
)

ENTRY = ("verificationMaterial", "tlogEntries", 0)


def test_each_numbered_invariant_has_a_test() -> None:
    promised = re.findall(r"^ ?(\d+)\. ", app.images.trust.__doc__ or "", re.MULTILINE)
    tested = re.findall(r"^def test_invariant_(\d+)_", pathlib.Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(each) for each in promised] == list(range(1, len(promised) + 1))
    assert [int(each) for each in tested] == [int(each) for each in promised]


def test_the_core_is_pure() -> None:
    """It imports nothing that reads files, clocks, the network or the environment, and asks no library for the time."""
    forbidden = {"asyncio", "io", "logging", "os", "pathlib", "random", "socket", "sys", "threading", "time", "urllib3"}
    for file in pathlib.Path(app.images.trust.__file__).parent.glob("*.py"):
        source = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert not forbidden & {each.name.partition(".")[0] for each in node.names}, file
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in forbidden, file
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "utcnow", "today"} or ast.unparse(node) == "terms.now", file


@pytest.mark.parametrize("raw", [b"", b"null", b"[" * 100_000, b"\xff" * 9, json.dumps({"mediaType": 1}).encode()])
def test_invariant_1_only_trust_errors_leave(raw: bytes) -> None:
    calls: list[Callable[[], object]] = [
        lambda: bundle(raw),
        lambda: signature((raw, {"dev.cosignproject.cosign/signature": raw.decode("latin-1")})),
        lambda: attestation((raw, {})),
        lambda: TrustRoot.from_json(raw),
        lambda: signature(GOOD.signature(), by=Keyless(KEYLESS.identities, ca_cert=raw or b"x")),
        lambda: signature(GOOD.signature(signer=KEY), by=Key(raw)),
    ]
    for call in calls:
        with pytest.raises(TrustError):
            call()


def test_invariant_2_only_signed_bytes_are_returned() -> None:
    payload = statement(predicate={"is": "signed"})
    tree = GOOD.bundle(payload)
    assert bundle(tree).statement == payload
    # What stands around the signature may say anything.
    tree["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"] += (
        "\N{EM DASH} x AAAAAAAA\n"
    )
    assert bundle(tree).statement == payload
    for spoiled in (statement(predicate={"is": "not"}), payload + b" "):
        changed = put(tree, base64.b64encode(spoiled).decode(), "dsseEnvelope", "payload")
        refused(lambda changed=changed: bundle(changed), Code.SIGNATURE)


def test_invariant_3_the_signed_digest_decides() -> None:
    for make, ask in (
        (lambda: GOOD.bundle(statement(OTHER_DIGEST)), bundle),
        (lambda: GOOD.signature(simple_signing(OTHER_DIGEST)), signature),
        (lambda: GOOD.attestation(statement(OTHER_DIGEST, SPDX)), attestation),
    ):
        evidence = make()
        refused(lambda ask=ask, evidence=evidence: ask(evidence), Code.DIGEST, DIGEST, OTHER_DIGEST)
        assert ask(evidence, digest=OTHER_DIGEST).identity == SUBJECT
    for digest in ("sha512:" + "0" * 128, DIGEST.upper(), "latest"):
        refused(lambda digest=digest: bundle(GOOD.bundle(), digest=digest), Code.DIGEST)


def test_invariant_4_the_predicate_type_is_exact() -> None:
    signed, attested = GOOD.bundle(), GOOD.bundle(statement(predicate_type=SPDX))
    refused(lambda: bundle(attested), Code.PREDICATE_TYPE, "an image signature")
    refused(lambda: bundle(signed, predicate_type=SPDX), Code.PREDICATE_TYPE, SPDX)
    refused(lambda: bundle(attested, predicate_type=SPDX + "/v2"), Code.PREDICATE_TYPE)
    refused(lambda: bundle(attested, predicate_type=SPDX[:-1]), Code.PREDICATE_TYPE)
    refused(lambda: attestation(GOOD.attestation(statement())), Code.PREDICATE_TYPE)
    assert bundle(attested, predicate_type=SPDX).predicate_type == SPDX


def test_invariant_5_one_signature_over_an_in_toto_payload() -> None:
    for payload_type in ("application/vnd.in-toto", "application/vnd.in-toto+json ", "text/plain"):
        made = GOOD.bundle(payload_type=payload_type)
        refused(lambda made=made: bundle(made), Code.PAYLOAD_TYPE)
    twice = put(GOOD.bundle(), lambda old: old * 2, "dsseEnvelope", "signatures")
    refused(lambda: bundle(twice), Code.SIGNATURE)


def test_invariant_6_issuer_and_subject_together() -> None:
    crossed = identities((ISSUER, "ops@example.com"), ("https://other.test", SUBJECT))
    refused(lambda: bundle(GOOD.bundle(), by=crossed), Code.ISSUER)
    for expression in ("dev@", "@example.com", "https?://"):
        part = Keyless((Identity(issuer=ISSUER, subject_regexp=expression),))
        refused(lambda part=part: bundle(GOOD.bundle(), by=part), Code.IDENTITY)


def test_invariant_7_one_name_and_one_issuer() -> None:
    from cryptography import x509  # noqa: PLC0415 - one use

    two_names = GOOD.keyless([x509.RFC822Name(SUBJECT), x509.RFC822Name("evil@example.com")])
    two_issuers = GOOD.keyless(v1_issuer="https://evil.test")
    for signer in (two_names, two_issuers):
        refused(lambda signer=signer: bundle(GOOD.bundle(signer=signer)), Code.CERTIFICATE)


def test_invariant_8_only_the_root_and_the_policy_name_cas() -> None:
    forged = with_evil_ca()
    refused(lambda: bundle(forged.bundle()), Code.UNTRUSTED_ROOT)
    refused(lambda: signature(forged.signature()), Code.UNTRUSTED_ROOT)
    own = Keyless(KEYLESS.identities, ca_cert=EVIL.fulcio.root.verifier_pem)
    assert signature(forged.signature(), by=own).identity == SUBJECT, "the policy's CA, the intermediate came along"
    refused(lambda: signature(GOOD.signature(), by=own), Code.UNTRUSTED_ROOT)


def test_invariant_9_time_is_verified() -> None:
    then = NOW - dt.timedelta(days=3)
    old = GOOD.keyless(starts=then)
    in_time = then + dt.timedelta(minutes=1)
    assert bundle(GOOD.bundle(signer=old, when=in_time)).time == in_time
    refused(lambda: bundle(GOOD.bundle(signer=old)), Code.EXPIRED)
    refused(lambda: bundle(GOOD.bundle(log=None, stamp=False), log="ignored"), Code.TIMESTAMP)
    forged = put(GOOD.bundle(signer=old), str(int(in_time.timestamp())), *ENTRY, "integratedTime")
    refused(lambda: bundle(forged), Code.LOG)
    unsigned = put(GOOD.bundle(log="v2", stamp=False), str(int(NOW.timestamp())), *ENTRY, "integratedTime")
    refused(lambda: bundle(unsigned), Code.TIMESTAMP)


@pytest.mark.parametrize(
    "path, log, code",
    [
        (("certificateAuthorities", 0, "validFor"), "v1", Code.UNTRUSTED_ROOT),
        (("ctlogs", 0, "publicKey", "validFor"), "v1", Code.SCT),
        (("tlogs", 0, "publicKey", "validFor"), "v1", Code.LOG),
        (("tlogs", 1, "publicKey", "validFor"), "v2", Code.LOG),
        (("timestampAuthorities", 0, "validFor"), "v2", Code.TIMESTAMP),
    ],
)
def test_invariant_10_services_count_within_their_windows(path: tuple[str | int, ...], log: str, code: Code) -> None:
    ended = {"start": iso(NOW - YEAR), "end": iso(NOW - dt.timedelta(hours=1))}
    root = read_root(put(GOOD.trusted_root(), ended, *path))
    refused(lambda: bundle(GOOD.bundle(log=log), root=root), code)


def test_invariant_11_the_log_entry_is_about_this_signature() -> None:
    for log in ("v1", "v2"):
        ours, again = GOOD.bundle(log=log, stamp=True), GOOD.bundle(log=log, stamp=True)
        # The same statement, signed a second time: even that entry is about another signature.
        swapped = put(ours, again["verificationMaterial"]["tlogEntries"], "verificationMaterial", "tlogEntries")
        refused(lambda swapped=swapped: bundle(swapped), Code.LOG)
    foreign = GOOD.with_parts(rekor=EVIL.rekor)
    refused(lambda: bundle(foreign.bundle()), Code.UNTRUSTED_ROOT)
    refused(lambda: signature(foreign.signature()), Code.UNTRUSTED_ROOT)


def test_invariant_12_nothing_replaces_what_is_demanded() -> None:
    stamped = without(GOOD.bundle(stamp=True), "verificationMaterial", "tlogEntries")
    refused(lambda: bundle(stamped), Code.LOG)
    refused(lambda: bundle(GOOD.bundle(), timestamps="required"), Code.TIMESTAMP)
    refused(lambda: bundle(GOOD.bundle(signer=GOOD.keyless(scts=0))), Code.SCT)
    refused(lambda: signature(GOOD.signature(log=False, stamp=True)), Code.LOG)
    refused(lambda: bundle(GOOD.bundle(signer=KEY, log=None, stamp=True), by=BY_KEY), Code.LOG)


def test_invariant_13_keys_and_certificates_do_not_stand_in_for_each_other() -> None:
    for ask, keyed, keyless in (
        (bundle, GOOD.bundle(signer=KEY), GOOD.bundle()),
        (signature, GOOD.signature(signer=KEY), GOOD.signature()),
        (attestation, GOOD.attestation(signer=KEY), GOOD.attestation()),
    ):
        refused(lambda ask=ask, keyed=keyed: ask(keyed), Code.CERTIFICATE, "bare key")
        refused(lambda ask=ask, keyless=keyless: ask(keyless, by=BY_KEY), Code.KEY)
    # Not even where the certificate is for the very key of the policy.
    certified = GOOD.keyless(key=KEY.key)
    refused(lambda: bundle(GOOD.bundle(signer=certified), by=BY_KEY), Code.KEY)


def test_invariant_14_json_has_one_reading() -> None:
    good = json.dumps(GOOD.bundle()).encode()
    twice = good.replace(b'"mediaType"', b'"mediaType":"x","mediaType"', 1)
    unknown = good.replace(b'"mediaType"', b'"media_type":"x","mediaType"', 1)
    for raw in (twice, unknown, b"\xef\xbb\xbf" + good, good.decode().encode("utf-16")):
        refused(lambda raw=raw: bundle(raw), Code.FORMAT)
    two_subjects = b'{"subject":[],' + statement()[1:]
    refused(lambda: bundle(GOOD.bundle(two_subjects)), Code.FORMAT, "subject")
    junk = put(GOOD.bundle(), lambda old: old[:8] + "!" + old[8:], "dsseEnvelope", "payload")
    refused(lambda: bundle(junk), Code.FORMAT)


def test_invariant_15_nothing_accepts_nothing() -> None:
    refused(lambda: bundle(GOOD.bundle(), by=Keyless(())), Code.IDENTITY)
    refused(lambda: bundle(GOOD.bundle(), by=Keyless((Identity(),))), Code.IDENTITY)
    refused(lambda: bundle(GOOD.bundle(signer=KEY), by=Key(b"")), Code.KEY)
    refused(lambda: bundle(GOOD.bundle(), root=None), Code.UNTRUSTED_ROOT)
    refused(lambda: bundle(GOOD.bundle(), root=TrustRoot("")), Code.UNTRUSTED_ROOT)
    refused(lambda: signature((simple_signing(), {})), Code.SIGNATURE)
    unsigned = put(GOOD.bundle(), flip, "dsseEnvelope", "signatures", 0, "sig")
    refused(lambda: bundle(unsigned), Code.SIGNATURE)

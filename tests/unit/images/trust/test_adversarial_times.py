"""Bundles whose log entry or timestamp must not count, and what a policy may not be talked out of."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.images.trust import Code, claimed_predicate_type
from tests.simulators.sigstore import OTHER_DIGEST, SPDX, statement
from tests.simulators.sigstore_keys import NOW, b64
from tests.unit.images.trust.tampering import (
    ENTRY,
    OLD,
    flip,
    late_stamp,
    two_logged,
    v2_kind_in_v1_log,
)
from tests.unit.images.trust.world import (
    EVIL,
    GOOD,
    bundle,
    put,
    refused,
    without,
)

V1: dict[str, tuple[Callable[[], dict[str, Any]], Code]] = {
    "promise changed": (
        lambda: put(GOOD.bundle(), flip, *ENTRY, "inclusionPromise", "signedEntryTimestamp"),
        Code.LOG,
    ),
    "time changed": (lambda: put(GOOD.bundle(), str(int(NOW.timestamp()) + 1), *ENTRY, "integratedTime"), Code.LOG),
    "index changed": (lambda: put(GOOD.bundle(), "999", *ENTRY, "logIndex"), Code.LOG),
    "expired certificate with a forged time": (
        lambda: put(
            GOOD.bundle(signer=GOOD.keyless(starts=OLD)),
            str(int(OLD.timestamp()) + 60),
            *ENTRY,
            "integratedTime",
        ),
        Code.LOG,
    ),
    "no promise, so no time": (lambda: without(GOOD.bundle(), *ENTRY, "inclusionPromise"), Code.TIMESTAMP),
    "promise without a time": (lambda: without(GOOD.bundle(), *ENTRY, "integratedTime"), Code.LOG),
    "v0.1 without its promise": (
        lambda: without(GOOD.bundle(version="v0.1", stamp=True), *ENTRY, "inclusionPromise"),
        Code.LOG,
    ),
    "v0.1 with a wrong proof": (
        lambda: put(GOOD.bundle(version="v0.1"), flip, *ENTRY, "inclusionProof", "rootHash"),
        Code.LOG,
    ),
    "negative index": (lambda: put(GOOD.bundle(), "-1", *ENTRY, "logIndex"), Code.FORMAT),
    "huge time": (lambda: put(GOOD.bundle(), str(2**64 - 1), *ENTRY, "integratedTime"), Code.FORMAT),
    "stamp outside the certificate's time": (late_stamp, Code.EXPIRED),
    "v2 kind under a v1 log": (v2_kind_in_v1_log, Code.LOG),
    "entry says two signatures": (two_logged, Code.LOG),
}


@pytest.mark.parametrize("name", V1)
def test_refused_on_rekor_v1(name: str) -> None:
    make, code = V1[name]
    tree = make()
    refused(lambda: bundle(tree), code)


@pytest.mark.parametrize(
    "make, code",
    [
        (lambda: GOOD.bundle(signer=GOOD.keyless("evil@example.com")), Code.IDENTITY),
        (lambda: GOOD.bundle(statement(OTHER_DIGEST), GOOD.keyless("evil@example.com")), Code.IDENTITY),
        (lambda: GOOD.bundle(statement(OTHER_DIGEST)), Code.DIGEST),
        (lambda: GOOD.bundle(statement(predicate_type=SPDX)), Code.PREDICATE_TYPE),
    ],
    ids=["identity", "identity before digest", "digest", "predicate type"],
)
def test_a_refusal_names_the_signer_once_established(make: Callable[[], dict[str, Any]], code: Code) -> None:
    tree = make()
    error = refused(lambda: bundle(tree), code)
    assert error.identity == ("evil@example.com" if code == Code.IDENTITY else "dev@example.com")
    assert error.issuer == "https://issuer.test"


def test_a_refusal_names_nobody_before_that() -> None:
    spoiled = put(GOOD.bundle(), flip, "dsseEnvelope", "signatures", 0, "sig")
    for tree, code in ((EVIL.bundle(), Code.UNTRUSTED_ROOT), (spoiled, Code.SIGNATURE)):
        error = refused(lambda tree=tree: bundle(tree), code)
        assert (error.identity, error.issuer) == ("", "")


def test_claimed_predicate_type_is_read_without_belief() -> None:
    assert claimed_predicate_type(json.dumps(EVIL.bundle(statement(predicate_type=SPDX))).encode()) == SPDX
    assert claimed_predicate_type(json.dumps(EVIL.bundle(b"file", blob=True)).encode()) == ""
    refused(lambda: claimed_predicate_type(b"{}"), Code.FORMAT)
    refused(lambda: claimed_predicate_type(json.dumps(EVIL.bundle(payload_type="x")).encode()), Code.PAYLOAD_TYPE)


def test_v2_without_a_timestamp_has_no_time() -> None:
    tree = GOOD.bundle(log="v2", stamp=False)
    refused(lambda: bundle(tree), Code.TIMESTAMP)
    forged = put(tree, str(int(NOW.timestamp())), *ENTRY, "integratedTime")
    refused(lambda: bundle(forged), Code.TIMESTAMP)
    promised = put(forged, {"signedEntryTimestamp": b64(b"x" * 70)}, *ENTRY, "inclusionPromise")
    refused(lambda: bundle(promised), Code.LOG)


@pytest.mark.parametrize("starts, code", [(NOW - dt.timedelta(minutes=1), None), (OLD, Code.EXPIRED)])
def test_timestamp_only(starts: dt.datetime, code: Code | None) -> None:
    tree = GOOD.bundle(signer=GOOD.keyless(starts=starts), log=None)
    refused(lambda: bundle(tree, timestamps="required"), Code.LOG)
    if code:
        refused(lambda: bundle(tree, log="ignored", timestamps="required"), code)
    else:
        assert bundle(tree, log="ignored", timestamps="required").time_source == "tsa"


def test_neither_log_nor_timestamp() -> None:
    tree = GOOD.bundle(log=None, stamp=False)
    refused(lambda: bundle(tree, log="ignored"), Code.TIMESTAMP)
    refused(lambda: bundle(tree, log="ignored", timestamps="required"), Code.TIMESTAMP)


def test_a_required_timestamp_is_not_replaced_by_a_log() -> None:
    refused(lambda: bundle(GOOD.bundle(), timestamps="required"), Code.TIMESTAMP)

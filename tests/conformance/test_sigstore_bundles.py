"""sigstore's own conformance bundles, through our trust core: each must be accepted or refused as its folder says.

The cases are third parties' data and stay outside the repository: `../shared/data`, or where PRATIQUE_TEST_DATA points.
"""

import json
import os
import pathlib
from typing import Any

import pytest
from sigstore._internal.tuf import DEFAULT_TUF_URL
from sigstore._utils import read_embedded

from app.core.images.policy import Identity, Key, Keyless
from app.images.trust import TrustError, TrustRoot, Verified, verify_artifact_bundle
from tests.simulators.sigstore_keys import NOW, YEAR

ROOT = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("PRATIQUE_TEST_DATA") or ROOT.parent / "shared" / "data")
CASES = DATA / "sigstore-conformance" / "bundle-verify"
FOLDERS = sorted(each for each in CASES.iterdir() if each.is_dir()) if CASES.is_dir() else []
TOTAL = 70
BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ACTIONS = "https://token.actions.githubusercontent.com"
pytestmark = pytest.mark.conformance


def _text(case: pathlib.Path, name: str, default: str) -> str:
    file = case / name
    return file.read_text(encoding="utf-8").strip() if file.exists() else default


def judged(case: pathlib.Path) -> Verified | TrustError:
    """What our core says: the facts, or the refusal (of the bundle, of the key or of the trust root)."""
    key, own_root, artifact = case / "key.pub", case / "trusted_root.json", case / "artifact"
    identity = Identity(issuer=_text(case, "issuer", ACTIONS), subject=_text(case, "identity", BEACON))
    raw_root = own_root.read_bytes() if own_root.exists() else read_embedded("trusted_root.json", DEFAULT_TUF_URL)
    try:
        return verify_artifact_bundle(
            (case / "bundle.sigstore.json").read_bytes(),
            (artifact if artifact.exists() else CASES / "a.txt").read_bytes(),
            root=TrustRoot.from_json(raw_root),
            by=Key(key.read_bytes()) if key.exists() else Keyless((identity,)),
            log="required",
            timestamps="none",
            now=NOW + YEAR,
        )
    except TrustError as error:
        return error


@pytest.fixture(scope="module", autouse=True)
def data() -> None:
    if not FOLDERS:
        pytest.skip("sigstore's conformance data is not here (PRATIQUE_TEST_DATA)")


@pytest.mark.parametrize("case", FOLDERS or [CASES / "missing"], ids=lambda case: case.name)
def test_case(case: pathlib.Path) -> None:
    verdict = judged(case)
    if case.name.endswith("_fail"):
        assert isinstance(verdict, TrustError), verdict
        assert verdict.summary
    else:
        assert isinstance(verdict, Verified), verdict


def test_all_cases_are_here() -> None:
    assert len(FOLDERS) == TOTAL


# Refusing everything that ends in _fail is not enough: each for the reason that its README gives.
REASONS: dict[str, str] = {
    "bundle-empty-certificate-chain_fail": "certificate",
    "bundle-from-wrong-instance_fail": "untrusted-root",
    "bundle-malformed-json_fail": "format",
    "bundle-with-root-cert_fail": "certificate",
    "checkpoint-bad-keyhint_fail": "log",
    "dsse-invalid-sig_fail": "signature",
    "dsse-mismatch-envelope_fail": "log",
    "dsse-mismatch-sig_fail": "log",
    "inclusion-proof-corrupted-hash_fail": "log",
    "integrated-time-in-future_fail": "expired",
    "intoto-expired-certificate_fail": "expired",
    "intoto-set-outside-signing-cert-validity_fail": "expired",
    "intoto-tsa-timestamp-outside-cert-validity_fail": "expired",
    "invalid-ct-key_fail": "sct",
    "managed-key-no-key_fail": "certificate",
    "message-digest-mismatch_fail": "digest",
    "rekor2-no-timestamp_fail": "timestamp",
    "rekor2-timestamp-outside-trust-root-tsa-validity_fail": "timestamp",
    "rekor2-timestamp-outside-tsa-cert-validity_fail": "timestamp",
    "rekor2-timestamp-payload-mismatch_fail": "timestamp",
    "rekor2-timestamp-with-incorrect-time_fail": "expired",
    "set-invalid-signature_fail": "log",
    "signature-mismatch_fail": "signature",
    "trust-root-tlog-missing-validity-start_fail": "format",
    "wrong-hashedrekord-artifact_fail": "log",
    "wrong-hashedrekord-cert-and-sig_fail": "log",
    "wrong-material_fail": "digest",
}


@pytest.mark.parametrize("name", REASONS)
def test_reason(name: str) -> None:
    verdict: Any = judged(CASES / name)
    assert verdict.code == REASONS[name], verdict


def test_figure(tmp_path: pathlib.Path) -> None:
    """The count that the documents quote: build/sigstore-conformance.json."""
    agree = sum(isinstance(judged(case), TrustError) == case.name.endswith("_fail") for case in FOLDERS)
    folder = ROOT / "build"
    target = folder if folder.is_dir() else tmp_path
    figure = {"total": len(FOLDERS), "agree": agree}
    (target / "sigstore-conformance.json").write_text(json.dumps(figure) + "\n", encoding="utf-8")
    assert agree == TOTAL

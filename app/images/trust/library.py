"""The only module that touches sigstore-python's insides, so that an upgrade has one place to break.

Public there: `Bundle`, `Verifier`. Private, for want of a public way to check a log entry on its own (key bundles,
entries of other kinds) or a certificate's timestamp: the Merkle and checkpoint checks, the SCT check, `Keyring`.
tests/unit/images/trust/test_library.py fails when one of them moves.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore._internal.sct import verify_sct
from sigstore._internal.trust import CTKeyring, Keyring, RekorKeyring
from sigstore._internal.trust import Key as RingKey
from sigstore.errors import VerificationError
from sigstore.models import Bundle, TransparencyLogEntry, TrustedRoot
from sigstore.verify import Verifier
from sigstore_models.common.v1 import PublicKey as PublicKeyModel
from sigstore_models.rekor.v1 import TransparencyLogEntry as EntryModel
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootModel

from app.images.trust.errors import Code, TrustError, fence, refuse

_ANY_TIME = {"start": "1970-01-01T00:00:00Z"}
_ANY_ID = b"\0" * 32
KEY_DETAILS = frozenset(
    {
        "PKCS1_RSA_PKCS1V5",
        "PKIX_RSA_PKCS1V15_2048_SHA256",
        "PKIX_RSA_PKCS1V15_3072_SHA256",
        "PKIX_RSA_PKCS1V15_4096_SHA256",
        "PKIX_ECDSA_P256_SHA_256",
        "PKIX_ECDSA_P384_SHA_384",
        "PKIX_ECDSA_P521_SHA_512",
        "PKIX_ED25519",
    }
)
"""Kinds of log keys (protobuf's PublicKeyDetails) that the library verifies with."""
# The library looks a key up by its id and, finding none, tries every key of the ring. Our rings hold one key each: we
# decide which log is asked, by its id in the trust root, and no id that an attacker wrote can widen that.


class LogKey:
    """The public key of one log, in the library's form; immutable and shared by threads."""

    def __init__(self, raw: bytes, details: str) -> None:
        """`raw` is a DER SubjectPublicKeyInfo, `details` a PublicKeyDetails name of sigstore's protobuf."""
        text = json.dumps({"rawBytes": base64.b64encode(raw).decode(), "keyDetails": details})
        # `Keyring` skips, with a warning in the log, what it cannot load; `Key` says so.
        self._ring = Keyring()
        loaded = RingKey(PublicKeyModel.from_json(text))
        self._ring._keyring[loaded.key_id] = loaded  # noqa: SLF001 - see the module's docstring

    def verify(self, signature: bytes, message: bytes, what: str) -> None:
        """Raise TrustError(log) unless the log made the signature."""
        with fence(Code.LOG, what):
            self._ring.verify(key_id=_ANY_ID, signature=signature, data=message)  # type: ignore[arg-type]

    def verify_inclusion(self, entry: Mapping[str, Any]) -> None:
        """Check an entry's Merkle proof and the checkpoint that it leads to; `entry` is JSON as in a bundle."""
        with fence(Code.LOG, "the log entry cannot be read"):
            parsed = TransparencyLogEntry(EntryModel.from_json(json.dumps(entry)))
        try:
            verify_merkle_inclusion(parsed)
        except VerificationError as error:
            # The library's text repeats the whole proof.
            raise TrustError(Code.LOG, "the log entry's inclusion proof does not lead to the root hash") from error
        with fence(Code.LOG, "the log's checkpoint is not valid"):
            verify_checkpoint(RekorKeyring(self._ring), parsed)
            proof = parsed._inner.inclusion_proof  # noqa: SLF001 - see the module's docstring
            signed = SignedCheckpoint.from_text(proof.checkpoint.envelope) if proof.checkpoint else None
            if signed is None or signed.checkpoint.log_size != proof.tree_size:
                refuse(Code.LOG, "the log's checkpoint is for another tree size than the inclusion proof")

    def verify_sct(self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> None:
        """Check the certificate's embedded SCT; `issuers` is its chain without itself."""
        with fence(Code.SCT, "the certificate's transparency timestamp (SCT) is not valid"):
            verify_sct(certificate, list(issuers), CTKeyring(self._ring))


class _SameCertificate:
    """A verification policy that compares: both readers of a bundle must have seen the same certificate."""

    def __init__(self, expected: x509.Certificate) -> None:
        self._expected = expected

    def verify(self, cert: x509.Certificate) -> None:
        if cert != self._expected:
            raise VerificationError("another certificate was verified")


class SecondOpinion:
    """sigstore-python's own Verifier for one log of a trust root: what it supports must satisfy it as well.

    Validity windows are taken out of its copy of the root: it enforces only some of them, reads the system's clock for
    others, and treats an end as exclusive where the specification says inclusive. Ours enforces all of them.
    """

    def __init__(self, root: Mapping[str, Any], log: Mapping[str, Any]) -> None:
        """`root` and `log` are parts of trusted_root.json."""
        neutral = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_neutral_log(log)],
            "certificateAuthorities": [_neutral_authority(each) for each in root.get("certificateAuthorities") or []],
            "ctlogs": [_neutral_log(each) for each in root.get("ctlogs") or [] if usable(each)],
            "timestampAuthorities": [_neutral_authority(each) for each in root.get("timestampAuthorities") or []],
        }
        self._verifier = Verifier(trusted_root=TrustedRoot(TrustedRootModel.from_json(json.dumps(neutral))))

    def confirm(self, raw: bytes, certificate: x509.Certificate, payload: bytes, *, dsse: bool) -> None:
        """Verify a keyless bundle once more; `payload` is the statement, or the artifact of a message signature."""
        with fence(Code.SIGNATURE, "sigstore's verifier refuses the bundle"):
            bundle, policy = Bundle.from_json(raw), _SameCertificate(certificate)
            if not dsse:
                self._verifier.verify_artifact(payload, bundle, policy)
            elif self._verifier.verify_dsse(bundle, policy)[1] != payload:
                refuse(Code.SIGNATURE, "sigstore's verifier read another payload")


def usable(log: Mapping[str, Any]) -> bool:
    """Whether the library can verify with the key of a log of trusted_root.json."""
    return log["publicKey"].get("keyDetails") in KEY_DETAILS


def _neutral_log(log: Mapping[str, Any]) -> dict[str, Any]:
    key = log["publicKey"]
    return {
        "baseUrl": log.get("baseUrl") or "unnamed",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": key["rawBytes"], "keyDetails": key["keyDetails"]},
        "logId": {"keyId": log["logId"]["keyId"]},
    }


def _neutral_authority(authority: Mapping[str, Any]) -> dict[str, Any]:
    certificates = [{"rawBytes": each["rawBytes"]} for each in authority["certChain"]["certificates"]]
    return {
        "subject": {"organization": "", "commonName": ""},
        "certChain": {"certificates": certificates},
        "validFor": _ANY_TIME,
    }

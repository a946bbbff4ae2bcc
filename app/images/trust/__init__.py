"""The trust core of image signatures: bytes, trust root, policy and time in; verified facts or one TrustError out.

It is pure: no network, no files, no clock (`now` is an argument), no threads, no logging. It has no cryptography of its
own: `cryptography` and `rfc3161-client` check signatures, X.509 and CMS, sigstore-python Merkle proofs, checkpoints and
SCTs, and its Verifier also has to agree where it supports the format. What holds (each with a test that is named after
its number, tests/unit/images/trust/test_invariants.py):

 1. Only TrustError leaves, whatever the bytes are.
 2. Nothing is believed that the signature does not cover: what is returned was verified, byte for byte.
 3. A signature counts for the digest that its signed payload names, and for no other; only sha256 in lower case.
 4. A statement counts for its exact predicate type; an attestation is never an image signature, nor the reverse.
 5. An envelope counts only with payload type application/vnd.in-toto+json and exactly one signature.
 6. Issuer and subject come from one certificate and satisfy one identity together; expressions match the whole text.
 7. A certificate has exactly one name, an e-mail address or a URI, and one issuer, however often it repeats it.
 8. A certificate leads to a CA that the trust root (or the policy) trusts at the verified time; nothing that came along
    with a signature is an anchor.
 9. A certificate's time is a log's promise or a timestamp, verified; never our clock and never an unsigned field.
10. Every trusted service counts only within its window: CA, CT log, log and timestamp authority.
11. A log entry is about this content, this signature and this signer, and its log is named in the trust root.
12. A demanded log entry, timestamp or SCT is never replaced by something else.
13. A key authority never accepts a certificate, a keyless one never a bare key.
14. JSON has one reading: no duplicate keys, no unknown fields where they matter, canonical base64, bounded depth and
    numbers.
15. Without an identity, a key or a trust root nothing is accepted.
"""

from app.images.trust.bundle import claimed_predicate_type, verify_artifact_bundle, verify_bundle
from app.images.trust.dsse import verify_dsse_layer
from app.images.trust.errors import Code, TrustError
from app.images.trust.root import TrustRoot
from app.images.trust.signed import Verified
from app.images.trust.simple_signing import verify_simple_signing
from app.images.trust.statement import SIGNATURE_TYPE

__all__ = [
    "SIGNATURE_TYPE",
    "Code",
    "TrustError",
    "TrustRoot",
    "Verified",
    "claimed_predicate_type",
    "verify_artifact_bundle",
    "verify_bundle",
    "verify_dsse_layer",
    "verify_simple_signing",
]

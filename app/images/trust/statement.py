"""What is signed about an image: in-toto statements, and cosign's older simple signing payload."""

from collections.abc import Mapping
from typing import Any

from app.images.trust import strict
from app.images.trust.errors import Code, refuse, show

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGNATURE_TYPE = "https://sigstore.dev/cosign/sign/v1"
"""Predicate type of an image signature by cosign 3: a statement that says no more than 'this image'."""
TYPES = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
SIMPLE_TYPE = "cosign container image signature"
MAX_SUBJECTS = 1024
_HEX = frozenset("0123456789abcdef")


def check_digest(digest: str) -> str:
    """The hex part of a sha256 digest.

    Raises:
        TrustError: with code `digest` for any other algorithm or spelling.
    """
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or not _HEX.issuperset(value):
        refuse(Code.DIGEST, f"{show(digest)} is not a sha256 digest")
    return value


def check_statement(payload: bytes, digest: str, predicate_type: str | None) -> tuple[str, dict[str, str]]:
    """Predicate type and subject annotations of a statement about `digest`.

    `predicate_type` None asks for an image signature, '' accepts any type.

    Raises:
        TrustError: `digest` or `predicate-type`, or `format` for what is no statement.
    """
    value = check_digest(digest)
    tree = strict.document(payload, "the statement")
    if tree.get("_type") not in TYPES:
        refuse(Code.FORMAT, f"the signed content is not an in-toto statement but {show(tree.get('_type'))}")
    found = strict.text(tree, "predicateType", "the statement")
    expected = SIGNATURE_TYPE if predicate_type is None else predicate_type
    if expected not in ("", found):
        wanted = "an image signature" if predicate_type is None else show(expected)
        refuse(Code.PREDICATE_TYPE, f"the statement is of type {show(found)}, not {wanted}")
    subjects = strict.items(tree, "subject", "the statement", MAX_SUBJECTS)
    for subject in subjects:
        digests = subject.get("digest")
        if isinstance(digests, dict) and digests.get("sha256") == value:
            return found, _texts(subject.get("annotations"))
    about = [str((each.get("digest") or {}).get("sha256")) for each in subjects if isinstance(each.get("digest"), dict)]
    said = "sha256:" + about[0] if about else "nothing"
    return refuse(Code.DIGEST, f"the statement is about {show(said)}, not about {digest}")


def check_simple(payload: bytes, digest: str) -> dict[str, str]:
    """The signer's annotations in a simple signing payload about `digest`."""
    check_digest(digest)
    what = "the payload"
    tree = strict.document(payload, what)
    critical = strict.mapping(tree, "critical", what)
    if critical.get("type") != SIMPLE_TYPE:
        refuse(Code.FORMAT, f"the payload is of type {show(critical.get('type'))}, not {show(SIMPLE_TYPE)}")
    found = strict.text(strict.mapping(critical, "image", what), "docker-manifest-digest", what)
    if found != digest:
        refuse(Code.DIGEST, f"the payload is about {show(found)}, not about {digest}")
    return _texts(tree.get("optional"))


def _texts(node: Any) -> dict[str, str]:
    """The entries of a mapping whose values are texts."""
    if not isinstance(node, Mapping):
        return {}
    return {name: value for name, value in node.items() if isinstance(value, str)}

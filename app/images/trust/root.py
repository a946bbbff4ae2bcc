"""The trust root: whose certificates, log entries and timestamps are believed, and when."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from app.images.trust import strict
from app.images.trust.certificate import Authority
from app.images.trust.errors import Code, fence, fenced, refuse, show
from app.images.trust.library import LogKey, SecondOpinion, usable
from app.images.trust.timestamp import StampAuthority
from app.images.trust.window import Window

MEDIA_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)
MAX_SERVICES = 64
MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Log:
    """One transparency log (Rekor v1, Rekor v2 or certificate transparency)."""

    name: str
    key: LogKey
    window: Window
    opinion: SecondOpinion | None = None


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """The content of a trusted_root.json, checked once and then shared by all threads."""

    version: str
    """SHA-256 of the document, in hex: part of every cache key."""
    authorities: tuple[Authority, ...] = ()
    logs: Mapping[bytes, tuple[Log, ...]] = field(default_factory=dict)
    """Rekor logs by log id; several entries are one key with several windows."""
    ct_logs: Mapping[bytes, tuple[Log, ...]] = field(default_factory=dict)
    stamp_authorities: tuple[StampAuthority, ...] = ()
    expires: dt.datetime | None = None
    """From when on nothing new can be verified, because one kind of service has no member left; None if never."""

    @classmethod
    @fenced("the trust root cannot be read")
    def from_json(cls, raw: bytes) -> "TrustRoot":
        """Read a trusted_root.json.

        Raises:
            TrustError: with code `format` or the library's reason; a root is taken whole or not at all.
        """
        tree = strict.document(raw, "the trust root")
        media_type = tree.get("mediaType")
        if media_type not in MEDIA_TYPES:
            refuse(Code.FORMAT, f"the trust root's mediaType {show(media_type)} is not supported")
        authorities = tuple(_authority(each) for each in _services(tree, "certificateAuthorities"))
        stamps = tuple(_stamp_authority(each) for each in _services(tree, "timestampAuthorities"))
        logs = _logs(tree, "tlogs", opinions=bool(authorities) and bool(tree.get("ctlogs")))
        ct_logs = _logs(tree, "ctlogs", opinions=False)
        ends = [
            _last(each.ends for each in authorities),
            _last(each.ends for each in stamps),
            _last(log.window.end for each in logs.values() for log in each),
            _last(log.window.end for each in ct_logs.values() for log in each),
        ]
        return cls(
            version=hashlib.sha256(raw).hexdigest(),
            authorities=authorities,
            logs=logs,
            ct_logs=ct_logs,
            stamp_authorities=stamps,
            expires=min((end for end in ends if end is not None), default=None),
        )


def _last(ends: Iterable[dt.datetime | None]) -> dt.datetime | None:
    """When the last of several services ends; None if one never does or there is none."""
    known = list(ends)
    closed = [end for end in known if end is not None]
    return max(closed) if closed and len(closed) == len(known) else None


def _services(tree: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return strict.items(tree, name, "the trust root", MAX_SERVICES)


def _logs(tree: Mapping[str, Any], name: str, *, opinions: bool) -> dict[bytes, tuple[Log, ...]]:
    found: dict[bytes, tuple[Log, ...]] = {}
    for each in _services(tree, name):
        what = f"a log in {name}"
        key = strict.mapping(each, "publicKey", what)
        if not usable(each):
            # Other logs still serve: what this one says is as unknown to us as before it was listed.
            continue
        log_id = strict.octets(strict.mapping(each, "logId", what), "keyId", what)
        raw, details = strict.octets(key, "rawBytes", what), strict.text(key, "keyDetails", what)
        with fence(Code.FORMAT, f"{what} cannot be used"):
            log = Log(
                name=str(each.get("baseUrl") or "unnamed"),
                key=LogKey(raw, details),
                window=Window.from_json(key, what),
                opinion=SecondOpinion(tree, each) if opinions else None,
            )
        found[log_id] = (*found.get(log_id, ()), log)
    return found


def _chain(each: Mapping[str, Any], what: str) -> tuple[x509.Certificate, ...]:
    """The certificates of an authority, from the one that signs to the root."""
    listed = strict.items(strict.mapping(each, "certChain", what), "certificates", what, MAX_CHAIN)
    if not listed:
        refuse(Code.FORMAT, f"{what} has no certificates")
    with fence(Code.FORMAT, f"{what} has a certificate that cannot be read"):
        return tuple(x509.load_der_x509_certificate(strict.octets(one, "rawBytes", what)) for one in listed)


def _authority(each: Mapping[str, Any]) -> Authority:
    what = "a certificate authority of the trust root"
    return Authority.of(str(each.get("uri") or "unnamed"), _chain(each, what), _mandatory_window(each, what))


def _stamp_authority(each: Mapping[str, Any]) -> StampAuthority:
    what = "a timestamp authority of the trust root"
    return StampAuthority.of(str(each.get("uri") or "unnamed"), _chain(each, what), _mandatory_window(each, what))


def _mandatory_window(each: Mapping[str, Any], what: str) -> Window:
    strict.mapping(each, "validFor", what)
    return Window.from_json(each, what)

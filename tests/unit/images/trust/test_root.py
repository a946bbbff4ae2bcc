"""Reading trusted_root.json: windows, expiry, version, and roots that cannot be taken."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from sigstore._internal.tuf import DEFAULT_TUF_URL, STAGING_TUF_URL
from sigstore._utils import read_embedded

from app.images.trust import Code, TrustRoot
from tests.simulators.sigstore import Sigstore
from tests.simulators.sigstore_keys import NOW, YEAR, b64, iso
from tests.unit.images.trust.world import BY_KEY, GOOD, KEY, bundle, put, read_root, refused, signature, without

Tree = dict[str, Any]
KEY_WINDOW = ("publicKey", "validFor")
ENDED, STARTED_LATE = (
    {"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"},
    {"start": "2099-01-01T00:00:00Z"},
)
EDGE_END = {"start": "2020-01-01T00:00:00Z", "end": iso(NOW)}
EDGE_START = {"start": iso(NOW)}

SERVICES: dict[str, tuple[tuple[str | int, ...], str | None, str]] = {
    "rekor v1": (("tlogs", 0, *KEY_WINDOW), "v1", Code.LOG),
    "rekor v2": (("tlogs", 1, *KEY_WINDOW), "v2", Code.LOG),
    "fulcio v1": (("certificateAuthorities", 0, "validFor"), "v1", Code.UNTRUSTED_ROOT),
    "fulcio v2": (("certificateAuthorities", 0, "validFor"), "v2", Code.UNTRUSTED_ROOT),
    "ct v1": (("ctlogs", 0, *KEY_WINDOW), "v1", Code.SCT),
    "ct v2": (("ctlogs", 0, *KEY_WINDOW), "v2", Code.SCT),
    "tsa": (("timestampAuthorities", 0, "validFor"), "v2", Code.TIMESTAMP),
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("window", [ENDED, STARTED_LATE], ids=["ended", "not yet"])
def test_a_service_outside_its_window_is_not_believed(name: str, window: Tree) -> None:
    path, log, code = SERVICES[name]
    root = read_root(put(GOOD.trusted_root(), window, *path))
    refused(lambda: bundle(GOOD.bundle(log=log), root=root), code)
    if log == "v1":
        refused(lambda: signature(GOOD.signature(), root=root), code)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "window", [EDGE_END, EDGE_START, {"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}]
)
def test_a_window_includes_both_ends(name: str, window: Tree) -> None:
    path, log, _ = SERVICES[name]
    if name.startswith("ct"):
        # The SCT is made when the certificate begins, some seconds before.
        window = {each: value.replace("12:00:00", "11:59:55") for each, value in window.items()}
    root = read_root(put(GOOD.trusted_root(), window, *path))
    assert bundle(GOOD.bundle(log=log), root=root).time == NOW


def test_a_log_key_may_have_no_window_but_a_ca_must() -> None:
    root = read_root(without(GOOD.trusted_root(), "tlogs", 0, *KEY_WINDOW))
    assert bundle(GOOD.bundle(), root=root).time == NOW
    refused(lambda: read_root(without(GOOD.trusted_root(), "certificateAuthorities", 0, "validFor")), Code.FORMAT)
    refused(lambda: read_root(without(GOOD.trusted_root(), "timestampAuthorities", 0, "validFor")), Code.FORMAT)


def test_one_key_with_two_windows() -> None:
    tree = GOOD.trusted_root()
    tree["tlogs"].insert(0, put(tree["tlogs"][0], ENDED, *KEY_WINDOW))
    assert bundle(GOOD.bundle(), root=read_root(tree)).time == NOW


def test_an_ended_log_key_cannot_speak_for_another_log() -> None:
    """The library tries every key when the id is of a v2 log; an old, leaked key must not profit from that."""
    tree = GOOD.trusted_root()
    old = Sigstore().rekor2
    tree["tlogs"].append(put(old.trusted(NOW - 2 * YEAR), ENDED, *KEY_WINDOW))
    liar = object.__new__(type(old))
    liar.__dict__ = {**old.__dict__, "log_id": GOOD.rekor2.log_id}
    forged = GOOD.with_parts(rekor2=liar).bundle(log="v2")
    refused(lambda: bundle(forged, root=read_root(tree)), Code.LOG)


def test_a_log_without_a_time_counts_only_while_its_window_lasts() -> None:
    """A key's entry in Rekor v2 has no time of its own: then the log must be trusted now."""
    tree = GOOD.bundle(signer=KEY, log="v2")
    root = read_root(
        put(GOOD.trusted_root(), {"start": iso(NOW - YEAR), "end": iso(NOW + YEAR)}, "tlogs", 1, *KEY_WINDOW)
    )
    assert bundle(tree, by=BY_KEY, root=root).time is None
    refused(lambda: bundle(tree, by=BY_KEY, root=root, now=NOW + 2 * YEAR), Code.LOG)
    stamped = GOOD.bundle(signer=KEY, log="v2", stamp=True)
    assert bundle(stamped, by=BY_KEY, root=root, now=NOW + 2 * YEAR).time_source == "log v2+tsa"


def test_the_clock_of_the_machine_decides_nothing() -> None:
    """A root whose services all begin and end long before this machine's present."""
    past = {"start": "2026-01-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}
    tree = GOOD.trusted_root()
    for path, _, _ in SERVICES.values():
        tree = put(tree, past, *path)
    for log in ("v1", "v2"):
        assert bundle(GOOD.bundle(log=log), root=read_root(tree)).time == NOW


@pytest.mark.parametrize("url", [DEFAULT_TUF_URL, STAGING_TUF_URL])
def test_sigstores_own_roots(url: str) -> None:
    root = TrustRoot.from_json(read_embedded("trusted_root.json", url))
    assert root.authorities
    assert root.logs
    assert root.ct_logs
    assert root.expires is not None
    assert root.expires.year >= 2030


def test_version_is_the_contents_hash() -> None:
    raw = json.dumps(GOOD.trusted_root()).encode()
    assert TrustRoot.from_json(raw).version == hashlib.sha256(raw).hexdigest()


def test_expiry_is_the_first_kind_of_service_to_run_out() -> None:
    tree = GOOD.trusted_root()
    assert read_root(tree).expires == NOW + 9 * YEAR, "the timestamp authority's certificate"
    ending = put(tree, {"start": iso(NOW), "end": iso(NOW + YEAR)}, "tlogs", 0, *KEY_WINDOW)
    assert read_root(ending).expires == NOW + 9 * YEAR, "the other log goes on"
    ending = put(ending, {"start": iso(NOW), "end": iso(NOW + 2 * YEAR)}, "tlogs", 1, *KEY_WINDOW)
    assert read_root(ending).expires == NOW + 2 * YEAR
    ending = put(ending, {"start": iso(NOW), "end": iso(NOW + dt.timedelta(days=9))}, "ctlogs", 0, *KEY_WINDOW)
    assert read_root(ending).expires == NOW + dt.timedelta(days=9)
    assert read_root({"mediaType": tree["mediaType"], "tlogs": tree["tlogs"]}).expires is None


def test_a_field_of_the_future_is_no_obstacle() -> None:
    tree = {**GOOD.trusted_root(), "newServices": []}
    tree["mediaType"] = "application/vnd.dev.sigstore.trustedroot.v0.2+json"
    tree["tlogs"][0]["operator"] = "us"
    assert bundle(GOOD.bundle(), root=read_root(tree)).time == NOW


def test_a_log_with_a_key_of_the_future_is_an_unknown_log() -> None:
    tree = put(GOOD.trusted_root(), "PKIX_FUTURE", "tlogs", 0, "publicKey", "keyDetails")
    tree["ctlogs"].append(put(tree["ctlogs"][0], "ML_DSA_65", "publicKey", "keyDetails"))
    root = read_root(tree)
    refused(lambda: bundle(GOOD.bundle(), root=root), Code.UNTRUSTED_ROOT)
    assert bundle(GOOD.bundle(log="v2"), root=root).time == NOW


BROKEN: dict[str, Callable[[Tree], Tree]] = {
    "no media type": lambda tree: without(tree, "mediaType"),
    "another media type": lambda tree: put(tree, "text/plain", "mediaType"),
    "window without a start": lambda tree: put(tree, {"end": iso(NOW)}, "tlogs", 0, *KEY_WINDOW),
    "window that is no object": lambda tree: put(tree, "always", "tlogs", 0, *KEY_WINDOW),
    "start that is no time": lambda tree: put(tree, {"start": "soon"}, "tlogs", 0, *KEY_WINDOW),
    "start without a zone": lambda tree: put(tree, {"start": "2020-01-01T00:00:00"}, "tlogs", 0, *KEY_WINDOW),
    "end that is no time": lambda tree: put(tree, {"start": iso(NOW), "end": 5}, "ctlogs", 0, *KEY_WINDOW),
    "key that is none": lambda tree: put(tree, b64(b"key"), "tlogs", 0, "publicKey", "rawBytes"),
    "no log id": lambda tree: without(tree, "tlogs", 0, "logId"),
    "no certificates": lambda tree: put(tree, [], "certificateAuthorities", 0, "certChain", "certificates"),
    "certificate that is none": lambda tree: put(
        tree, b64(b"x"), "certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes"
    ),
    "timestamp authority without a root": lambda tree: without(
        tree, "timestampAuthorities", 0, "certChain", "certificates", 1
    ),
    "logs that are no list": lambda tree: put(tree, {}, "tlogs"),
    "too many logs": lambda tree: put(tree, lambda logs: logs * 100, "tlogs"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_root_is_taken_whole_or_not_at_all(name: str) -> None:
    refused(lambda: read_root(BROKEN[name](GOOD.trusted_root())), Code.FORMAT)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"mediaType":1}', b"[" * 100_000])
def test_bytes_that_are_no_root(raw: bytes) -> None:
    refused(lambda: TrustRoot.from_json(raw), Code.FORMAT)

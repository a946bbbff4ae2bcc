"""Trust roots: where they come from, what stays in force when a source fails, and that none is waited for."""

import datetime as dt
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.config.trust_sources import CertificateChain, LogKey, SigstoreKeys, TrustSource, TufRemote, TufRepository
from app.core.images.policy import Keyless, Static
from app.images import root_sources, root_tuf
from app.images.question import RootUnavailable
from app.images.root_error import RootError
from app.images.root_sources import File, Keys, TufArchive, TufMirror, cache_directory, of_document, public_good
from app.images.roots import Roots, names_of
from app.images.trust import verify_bundle
from tests.simulators import tuf_repository
from tests.simulators.sigstore import DIGEST, statement
from tests.simulators.sigstore_keys import cert_pem, pem
from tests.unit.images.image_world import (
    EVIL,
    GOOD,
    ISSUER,
    KEYLESS,
    SUBJECT,
    authority,
    key_authority,
    policy,
    root_file,
)

PLAIN = policy()


def content(sigstore: Any = GOOD) -> bytes:
    return json.dumps(sigstore.trusted_root()).encode()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def verifies(roots: Roots, name: str = "", sigstore: Any = GOOD, **made: Any) -> bool:
    """Whether a fresh signature counts with this root."""
    rule = authority(Keyless(KEYLESS.identities, trust_root=name), log_trust_root=name)
    root = roots.for_authority(rule)
    raw = json.dumps(sigstore.bundle(statement(), **made)).encode()
    verified = verify_bundle(
        raw,
        root=root,
        by=rule.by,
        digest=DIGEST,
        predicate_type=None,
        log="required",
        timestamps="none",
        now=dt.datetime.fromtimestamp(time.time(), dt.UTC),
    )
    return (verified.identity, verified.issuer) == (SUBJECT, ISSUER)


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
def test_a_file_is_read_at_once_and_nothing_is_fetched(tmp_path: Path) -> None:
    roots = Roots({"": root_file(tmp_path)})
    assert verifies(roots)
    roots.poll()
    (state,) = roots.states()
    assert (state.name, state.error) == ("", "")
    assert state.source == f"file {tmp_path / 'trusted_root.json'}"
    assert len(state.version) == 64
    assert state.expires is not None
    assert state.refreshed is not None


def test_a_changed_file_takes_effect(tmp_path: Path) -> None:
    roots = Roots({"": root_file(tmp_path)})
    before, rule = roots.version_for(PLAIN), PLAIN.authorities[0]
    old = roots.for_authority(rule)
    roots.poll()
    assert roots.for_authority(rule) is old
    assert roots.version_for(PLAIN) == before
    root_file(tmp_path, EVIL)
    roots.poll()
    assert roots.version_for(PLAIN) != before
    assert verifies(roots, sigstore=EVIL)


@pytest.mark.parametrize("broken", [b"", b"{", b"{}", b"[" * 100_000, None])
def test_a_broken_file_changes_nothing_but_the_state(tmp_path: Path, broken: bytes | None) -> None:
    source = root_file(tmp_path)
    roots = Roots({"": source})
    version = roots.version_for(PLAIN)
    path = tmp_path / "trusted_root.json"
    path.unlink() if broken is None else path.write_bytes(broken)
    roots.poll()
    (state,) = roots.states()
    assert state.error
    assert state.version
    assert roots.version_for(PLAIN) == version
    assert verifies(roots)
    root_file(tmp_path)
    roots.poll()
    assert roots.states()[0].error == ""


def test_a_root_that_was_never_there_is_told(tmp_path: Path) -> None:
    roots = Roots({"": File(tmp_path / "nothing.json"), "big": File(tmp_path / "big.json")})
    with pytest.raises(RootUnavailable, match=r"the default trust root is not loaded: .*nothing\.json"):
        roots.for_authority(authority())
    with pytest.raises(RootUnavailable, match="'other' does not exist"):
        roots.for_authority(authority(Keyless(KEYLESS.identities, trust_root="other"), log_trust_root="other"))
    (tmp_path / "big.json").write_bytes(b" " * (4 << 20 | 1))
    with pytest.raises(RootError, match="larger than 4 MiB"):
        File(tmp_path / "big.json").read()


# -- several roots ----------------------------------------------------------------------------------------------------


def test_several_roots_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    roots = Roots({"": root_file(tmp_path), "evil": root_file(tmp_path / "evil", EVIL)})
    assert verifies(roots)
    assert verifies(roots, "evil", EVIL)
    with pytest.raises(Exception, match="does not know"):
        verifies(roots, "evil", GOOD)


def test_parts_of_several_roots_make_one(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    roots = Roots({"": root_file(tmp_path), "evil": root_file(tmp_path / "evil", EVIL)})
    mixed = authority(KEYLESS, log_trust_root="evil")
    root = roots.for_authority(mixed)
    assert root is not None
    assert root is roots.for_authority(mixed)
    assert root.logs.keys() == {EVIL.rekor.log_id, EVIL.rekor2.log_id}
    raw = json.dumps(GOOD.with_parts(rekor=EVIL.rekor).bundle(statement())).encode()
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    terms: Any = {"digest": DIGEST, "predicate_type": None, "log": "required", "timestamps": "none", "now": now}
    assert verify_bundle(raw, root=root, by=KEYLESS, **terms).identity == SUBJECT


def test_what_an_authority_needs() -> None:
    named = Keyless(KEYLESS.identities, trust_root="own")
    assert names_of(authority()) == ("", "", "")
    assert names_of(authority(named, log="ignored")) == ("own", "own", "own")
    assert names_of(authority(named, log_trust_root="l", timestamps="required", timestamp_trust_root="t")) == (
        "own",
        "l",
        "t",
    )
    assert names_of(key_authority()) == (None, None, None)
    assert names_of(key_authority(log="required", log_trust_root="l")) == (None, "l", None)
    assert names_of(authority(Static("pass"))) == (None, None, None)


def test_a_bare_key_needs_no_root() -> None:
    assert Roots({}).for_authority(key_authority()) is None


def test_the_version_depends_on_the_roots_that_a_policy_uses(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    roots = Roots({"": root_file(tmp_path), "other": root_file(tmp_path / "other", EVIL)})
    named = policy(authority(Keyless(KEYLESS.identities, trust_root="other"), log_trust_root="other"), name="other")
    before = roots.version_for(PLAIN), roots.version_for(named)
    root_file(tmp_path / "other")
    roots.poll()
    assert roots.version_for(PLAIN) == before[0]
    assert roots.version_for(named) != before[1]


def test_replaced_documents_take_effect_and_what_stays_is_not_read_again(tmp_path: Path) -> None:
    source = root_file(tmp_path)
    roots = Roots({"": source, "gone": source})
    kept = roots.for_authority(authority())
    roots.replace({"": source, "new": source})
    assert roots.for_authority(authority()) is not None
    assert {state.name for state in roots.states()} == {"", "new"}
    assert kept is not None
    assert verifies(roots, "new")
    with pytest.raises(RootUnavailable):
        verifies(roots, "gone")


# -- keys of a document -----------------------------------------------------------------------------------------------


def document_keys() -> SigstoreKeys:
    def chain(certificates: Any) -> CertificateChain:
        return CertificateChain("https://ca.test", "org", "name", b"".join(map(cert_pem, certificates)))

    def log(one: Any) -> LogKey:
        return LogKey(f"https://{one.origin}", "sha256", pem(one.key.public_key()))

    ct_der = GOOD.fulcio.ct_log()["publicKey"]["rawBytes"]
    ct_pem = f"-----BEGIN PUBLIC KEY-----\n{ct_der}\n-----END PUBLIC KEY-----\n".encode()
    return SigstoreKeys(
        (chain(GOOD.fulcio.chain),),
        (log(GOOD.rekor), log(GOOD.rekor2)),
        (LogKey("https://ct.test", "sha256", ct_pem),),
        (chain(GOOD.tsa.chain),),
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("made", [{}, {"log": "v2"}])
def test_keys_of_a_document_are_a_root(made: dict[str, Any]) -> None:
    source = of_document(TrustSource("own", document_keys(), "hash"))
    assert isinstance(source, Keys)
    roots = Roots({"own": source})
    assert roots.states()[0].error == ""
    assert verifies(roots, "own", **made)


# -- TUF --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("prefix", ["", "repository/", "./a/b/"])
def test_a_repository_in_a_document_is_verified_without_a_network(prefix: str) -> None:
    repository = tuf_repository.TufRepository({"trusted_root.json": content()})
    document = TufRepository(repository.root, repository.archive(prefix))
    source = of_document(TrustSource("own", document, "hash"))
    assert isinstance(source, TufArchive)
    roots = Roots({"own": source})
    assert roots.states()[0].error == ""
    assert verifies(roots, "own")


@pytest.mark.parametrize(
    "change,word",
    [
        ("other root", ""),
        ("tampered target", ""),
        ("expired", "expired"),
        ("no target", "there is no trusted_root.json"),
        ("no archive", "cannot be unpacked"),
        ("no repository", "no timestamp.json"),
    ],
)
def test_a_repository_that_cannot_be_verified_gives_no_root(change: str, word: str) -> None:
    repository = tuf_repository.TufRepository({} if change == "no target" else {"trusted_root.json": content()})
    root = repository.root
    if change == "other root":
        root = tuf_repository.TufRepository({}).root
    if change == "tampered target":
        repository.files["targets/trusted_root.json"] = content(EVIL)
    if change == "expired":
        repository.publish({"trusted_root.json": content()}, expired=True)
    if change == "no repository":
        repository.files.pop("timestamp.json")
    archive = b"\x1f\x8bnonsense" if change == "no archive" else repository.archive()
    (state,) = Roots({"own": TufArchive(TufRepository(root, archive))}).states()
    assert state.version == ""
    assert word in state.error
    assert "\n" not in state.error


def test_an_archive_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tuf_repository.TufRepository({"trusted_root.json": content(), "zeros": bytes(100_000)})
    monkeypatch.setattr(root_tuf, "MAX_ARCHIVE", 50_000)
    with pytest.raises(RootError, match="unpacks to more"):
        root_tuf.unpacked(repository.archive())


def test_a_mirror_is_asked_in_the_background_and_never_while_judging(tmp_path: Path) -> None:
    repository = tuf_repository.TufRepository({"trusted_root.json": content()})
    with repository.served() as url:
        source = of_document(TrustSource("own", TufRemote(repository.root, url), "hash"), tmp_path)
        roots = Roots({"own": source})
        assert not repository.requests
        with pytest.raises(RootUnavailable, match="still being fetched"):
            verifies(roots, "own")
        assert not repository.requests
        roots.start()
        until = time.monotonic() + 10
        while not roots.states()[0].version:
            assert time.monotonic() < until, roots.states()
            time.sleep(0.01)
        roots.close()
        assert verifies(roots, "own")
        assert repository.requests


def test_what_was_last_good_stays_when_a_mirror_fails(tmp_path: Path) -> None:
    clock = [0.0]
    repository = tuf_repository.TufRepository({"trusted_root.json": content()})
    with repository.served() as url:
        roots = Roots(
            {"": TufMirror(url, repository.root, cache=tmp_path)}, wall=lambda: 1000 + clock[0], clock=lambda: clock[0]
        )
        roots.poll()
        assert verifies(roots)
        count = len(repository.requests)
        clock[0] = 3600
        roots.poll()
        assert len(repository.requests) == count
        clock[0] = 6 * 3600
        repository.publish({"trusted_root.json": content(EVIL)})
        roots.poll()
        assert verifies(roots, sigstore=EVIL)
        state = roots.states()[0]
        assert (state.error, state.refreshed) == ("", 1000 + 6 * 3600)
    clock[0] = 13 * 3600
    roots.poll()
    (state,) = roots.states()
    assert "127.0.0.1" in state.error
    assert state.refreshed == 1000 + 6 * 3600
    assert verifies(roots, sigstore=EVIL)


def test_a_roll_back_is_refused(tmp_path: Path) -> None:
    repository = tuf_repository.TufRepository({"trusted_root.json": content(EVIL)})
    old = dict(repository.files)
    repository.publish({"trusted_root.json": content()})
    with repository.served() as url:
        source = TufMirror(url, repository.root, cache=tmp_path)
        assert source.read() == content()
        repository.files = old
        with pytest.raises(RootError, match="rolled back|version"):
            source.read()


def test_a_failed_mirror_is_asked_again_soon_but_not_at_once(tmp_path: Path) -> None:
    clock = [0.0]
    asked = []

    class Failing:
        waits: ClassVar[bool] = True
        description: ClassVar[str] = "failing"

        def initial(self) -> None:
            return None

        def read(self) -> bytes:
            asked.append(clock[0])
            raise RootError("no")

        def seen(self) -> None:
            return None

    roots = Roots({"": Failing()}, clock=lambda: clock[0])
    for second in range(0, 1000, 5):
        clock[0] = float(second)
        roots.poll()
    assert asked == [0, 60, 180, 420, 900]
    assert roots.states()[0].error == "no"


def test_a_source_with_a_bug_does_not_end_the_thread(tmp_path: Path) -> None:
    class Broken(TufMirror):
        def read(self) -> bytes:
            raise ZeroDivisionError

    (state,) = (roots := Roots({"": Broken("http://x", b"")})).states()
    roots.poll()
    (state,) = roots.states()
    assert "ZeroDivisionError" in state.error


def test_replacing_documents_does_not_wait_for_a_mirror(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(TufMirror):
        def read(self) -> bytes:
            entered.set()
            leave.wait(10)
            return content()

    roots = Roots({"": Slow("http://x", b"")})
    roots.start()
    assert entered.wait(5)
    roots.replace({"": root_file(tmp_path)})
    assert verifies(roots)
    leave.set()
    roots.close()


@pytest.mark.usefixtures("no_network")
def test_the_public_instance_is_there_before_any_network(tmp_path: Path) -> None:
    roots = Roots({"": public_good(tmp_path)})
    (state,) = roots.states()
    assert state.version
    assert state.source == "TUF tuf-repo-cdn.sigstore.dev"
    assert state.refreshed is None
    assert roots.for_authority(authority()) is not None
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    repository = tuf_repository.TufRepository({"trusted_root.json": content()})
    with repository.served() as url:
        assert TufMirror(url, repository.root, cache=tmp_path / "file" / "below").read() == content()


def test_nowhere_to_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(root_sources.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(RootError, match="Read-only file system.*XDG_CACHE_HOME"):
        TufMirror("http://127.0.0.1:1", b"").read()


@pytest.mark.parametrize(
    "environment,directory",
    [
        ({"XDG_CACHE_HOME": "/x"}, "/x/pratique/tuf"),
        ({"HOME": "/h"}, "/h/.cache/pratique/tuf"),
        ({"HOME": ""}, None),
        ({}, None),
        ({"XDG_CACHE_HOME": "relative"}, None),
    ],
)
def test_where_metadata_is_kept(environment: dict[str, str], directory: str | None) -> None:
    assert cache_directory(environment) == (Path(directory) if directory else None)

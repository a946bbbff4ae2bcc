"""One image, one policy: what counts, what does not, and the words for it."""

import datetime as dt
import json
import time
from typing import Any

import pytest

from app.core.images.policy import Attestation, Authority, Identity, ImagePolicy, Key, Keyless, Static
from app.core.images.result import ImageResult
from app.images import conditions, verify
from app.images.question import INTERNAL, REFUSED, TRUST_ROOT, Checked, Subject, World, without_registry
from app.images.registry.errors import Kind
from app.images.roots import Roots
from tests.simulators.registry import INDEX, Layer
from tests.simulators.registry_faults import reply
from tests.simulators.sigstore import OTHER_DIGEST, SPDX, statement
from tests.simulators.sigstore_keys import Signer
from tests.unit.images.image_world import (
    BUNDLE,
    EVIL,
    GOOD,
    ISSUER,
    KEY,
    KEYLESS,
    OTHER_KEY,
    PROVENANCE,
    REPOSITORY,
    SIMPLE,
    SUBJECT,
    Shop,
    attestation_layer,
    authority,
    key_authority,
    policy,
    signature_layer,
    wants,
)

TSA_ONLY = {"log": "ignored", "timestamps": "required"}


def check(shop: Shop, digest: str, rule: ImagePolicy | None = None, **more: Any) -> Checked:
    request = shop.request()
    seconds = more.pop("seconds", 5)
    roots = more.pop("roots", shop.roots)
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    world = World(shop.client, roots, None, now, time.monotonic() + seconds, **more)
    return verify.verify(Subject(request.reference, request.image, digest), rule or policy(), world)


def accepted(shop: Shop, digest: str, rule: ImagePolicy | None = None, **more: Any) -> ImageResult:
    result, cause = check(shop, digest, rule, **more)
    assert result.ok, result
    assert cause == ""
    assert (result.reason, result.unknown, result.digest) == ("", None, digest)
    return result


def refused(shop: Shop, digest: str, rule: ImagePolicy | None = None, *words: str, **more: Any) -> ImageResult:
    result, cause = check(shop, digest, rule, **more)
    assert not result.ok
    assert cause == REFUSED, result
    assert result.unknown is None
    assert "\n" not in result.reason
    for word in words:
        assert word in result.reason
    return result


# -- every format, in every place -------------------------------------------------------------------------------------

FORMATS: dict[str, tuple[dict[str, Any], Signer | None, dict[str, Any]]] = {
    "keyless, Rekor v1": ({}, None, {}),
    "keyless, Rekor v2": ({"log": "v2"}, None, {}),
    "keyless, timestamp only": ({"log": None}, None, TSA_ONLY),
    "key with a log": ({}, KEY, {"log": "required"}),
    "key without a log": ({"log": None}, KEY, {}),
}


def rule_for(signer: Signer | None, terms: dict[str, Any], *types: str) -> ImagePolicy:
    attestations = tuple(Attestation(kind, kind) for kind in types)
    if signer is None:
        return policy(authority(attestations=attestations, **terms))
    return policy(key_authority(signer, attestations=attestations, **terms))


BUNDLES = [("v0.1", "keyless, Rekor v1"), ("v0.2", "keyless, Rekor v1"), *(("v0.3", made) for made in FORMATS)]


@pytest.mark.parametrize("fixture", ["shop", "old_shop"])
@pytest.mark.parametrize("bundle", BUNDLES, ids=", ".join)
@pytest.mark.parametrize("kind", [None, SPDX])
def test_bundles(request: pytest.FixtureRequest, fixture: str, bundle: tuple[str, str], kind: str | None) -> None:
    version, made = bundle
    how, signer, terms = FORMATS[made]
    here = request.getfixturevalue(fixture)
    digest = here.image()
    payload = statement(digest, kind) if kind else statement(digest)
    here.bundle(digest, GOOD.bundle(payload, signer, version=version, **how))
    result = accepted(here, digest, rule_for(signer, terms, *([kind] if kind else [])))
    (found,) = result.found
    assert found.where == ("referrers" if fixture == "shop" else "fallback-tag")
    assert found.counted
    assert found.identity == SUBJECT if signer is None else found.identity.startswith("key ")
    refused(here, digest, rule_for(OTHER_KEY, {"log": "ignored"}, *([kind] if kind else [])))


@pytest.mark.parametrize("place", ["tag", "referrer"])
@pytest.mark.parametrize("made", [made for made in FORMATS if "v2" not in made])
def test_legacy_signatures(shop: Shop, place: str, made: str) -> None:
    how, signer, terms = FORMATS[made]
    digest = shop.image()
    log = how.get("log", "v1") is not None
    layer = signature_layer(digest, signer, log=log, stamp=terms.get("timestamps") == "required")
    if place == "tag":
        shop.layers(digest, ".sig", layer)
    else:
        kind = "application/vnd.dev.cosign.artifact.sig.v1+json"
        shop.registry.push_artifact(REPOSITORY, digest, kind, [layer])
    accepted(shop, digest, rule_for(signer, terms))
    refused(shop, digest, rule_for(OTHER_KEY, {"log": "ignored"}))


@pytest.mark.parametrize("signer", [None, KEY])
def test_legacy_attestations(shop: Shop, signer: Signer | None) -> None:
    digest = shop.image()
    shop.layers(digest, ".att", attestation_layer(digest, PROVENANCE, signer), attestation_layer(digest, SPDX, signer))
    by = KEYLESS if signer is None else Key(KEY.public_pem)
    accepted(shop, digest, wants(SPDX, PROVENANCE, by=by))
    refused(shop, digest, wants(SPDX, "https://cyclonedx.org/bom", by=by), "https://cyclonedx.org/bom")


# -- who, and what ----------------------------------------------------------------------------------------------------


def test_an_unsigned_image_is_told_where_was_looked_and_what_was_expected(shop: Shop) -> None:
    digest = shop.image()
    result = refused(shop, digest, None, "it is not signed", shop.context, "the referrers API", SUBJECT, ISSUER, ".sig")
    assert result.found == ()


@pytest.mark.parametrize(
    "subject,issuer", [("evil@example.com", ISSUER), (SUBJECT, "https://other.test"), ("x" + SUBJECT, ISSUER)]
)
def test_another_identity_is_told_with_the_one_expected(shop: Shop, subject: str, issuer: str) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless(subject, issuer)))
    words = (f'"{subject}"', f'(issuer "{issuer}")', f'expects a signature by "{SUBJECT}" (issuer "{ISSUER}")')
    (found,) = refused(shop, digest, None, *words).found
    assert (found.identity, found.issuer, found.counted) == (subject, issuer, False)


def test_expected_identities_and_keys_are_described(shop: Shop) -> None:
    digest = shop.image()
    regexps = Keyless((Identity(issuer_regexp="https://.*", subject_regexp="a.*"), *KEYLESS.identities))
    rule = policy(authority(regexps), key_authority())
    refused(shop, digest, rule, 'one matching "a.*" (issuer one matching "https://.*")', SUBJECT, "signature by key ")


def test_no_parts_of_two_signatures_make_one(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless(SUBJECT, "https://other.test")))
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless("other@example.com", ISSUER)))
    refused(shop, digest, None, "none of 2 signatures counts")


def test_a_signature_of_another_image_does_not_count(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(OTHER_DIGEST)))
    shop.layers(digest, ".sig", signature_layer(OTHER_DIGEST))
    refused(shop, digest, None, OTHER_DIGEST)


def test_an_untrusted_instance_does_not_count(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest, EVIL.bundle(statement(digest)))
    refused(shop, digest, None, "the trust root does not know")


def test_bad_candidates_hide_no_good_one(shop: Shop) -> None:
    digest = shop.image()
    for content in (b"", b"{", b"[" * 100_000, b"\xff", json.dumps(EVIL.bundle(statement(digest))).encode()):
        if content:
            shop.bundle(digest, content)
    shop.bundle(digest, GOOD.bundle(statement(OTHER_DIGEST)))
    shop.legacy(digest)
    result = accepted(shop, digest)
    assert [one.counted for one in result.found].count(True) == 1
    assert all(one.why_not for one in result.found if not one.counted)


def test_a_bug_in_reading_one_candidate_hides_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = shop.image()
    shop.bundle(digest)
    shop.legacy(digest)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(verify, "verify_bundle", broken)
    result = accepted(shop, digest)
    assert ["ZeroDivisionError" in one.why_not for one in result.found] == [True, False]


def test_a_bug_of_ours_is_no_missing_signature(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_Run", None)
    result, cause = check(shop, shop.image())
    assert (result.ok, cause) == (False, INTERNAL)
    assert result.unknown is not None


def test_an_attestation_is_no_signature_and_the_reverse(shop: Shop) -> None:
    digest = shop.image()
    shop.attest(digest, SPDX)
    refused(shop, digest, None, "not an image signature")
    other = shop.image("v2")
    shop.bundle(other)
    shop.layers(other, ".att", signature_layer(other))
    refused(shop, other, wants(SPDX), "it has no attestation", SPDX)


# -- authorities and attestations -------------------------------------------------------------------------------------


def test_one_authority_is_enough(shop: Shop) -> None:
    digest = shop.image()
    shop.legacy(digest, KEY)
    accepted(shop, digest, policy(authority(), key_authority(OTHER_KEY), key_authority()))
    result = refused(shop, digest, policy(authority(name="ci"), key_authority(OTHER_KEY, name="release")))
    (found,) = result.found
    assert "ci: " in found.why_not
    assert "release: " in found.why_not


def test_all_attestations_are_needed_and_no_signature_besides(shop: Shop) -> None:
    digest = shop.image()
    shop.attest(digest, SPDX)
    accepted(shop, digest, wants(SPDX))
    refused(shop, digest, wants(SPDX, PROVENANCE), PROVENANCE)
    shop.attest(digest, PROVENANCE)
    accepted(shop, digest, wants(SPDX, PROVENANCE))


def test_attestations_of_two_authorities_do_not_add_up(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest, SPDX), KEY, log=None))
    shop.bundle(digest, GOOD.bundle(statement(digest, PROVENANCE), OTHER_KEY, log=None))
    attestations = (Attestation("a", SPDX), Attestation("b", PROVENANCE))
    both = [key_authority(signer, attestations=attestations) for signer in (KEY, OTHER_KEY)]
    refused(shop, digest, policy(*both))


class _Cel:
    """Stands in for the library, which is an optional extra."""

    @staticmethod
    def why_not(attestation: Attestation, raw: bytes) -> str:
        predicate = json.loads(raw)["predicate"]
        return "" if predicate.get("ok") is True else f"it does not satisfy {attestation.cel}"


def test_any_attestation_of_a_type_may_satisfy_the_condition(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "why_not", _Cel.why_not)
    digest = shop.image()
    rule = policy(authority(attestations=(Attestation("sbom", SPDX, cel="predicate.ok"),)))
    shop.attest(digest, SPDX, predicate={"ok": False})
    refused(shop, digest, rule, "does not satisfy predicate.ok")
    shop.attest(digest, SPDX, predicate={"ok": True})
    accepted(shop, digest, rule)


def test_conditions_that_cannot_be_evaluated_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.config.cel.available", lambda: False)
    assert "CEL is not supported" in conditions.why_not(Attestation("a", SPDX, cel="true"), b"{}")
    assert conditions.why_not(Attestation("a", SPDX, conditions={"x": 1}), b"{}")
    assert conditions.why_not(Attestation("a", SPDX), b"{}") == ""


@pytest.mark.parametrize(
    "expression,predicate,word",
    [
        ("predicate.ok == true", {"ok": True}, ""),
        ("predicate.ok == true", {"ok": False}, "does not satisfy"),
        ("predicate.ok == true", {}, "fails on it"),
        ("statement.predicateType == 'x'", {}, ""),
        ("predicate.ok", {"ok": 1}, "does not give true or false"),
        ("predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, a + b + c >= 0)))", {"l": [*range(200)]}, "not be"),
    ],
)
def test_cel(expression: str, predicate: dict[str, Any], word: str) -> None:
    pytest.importorskip("cel_expr_python", reason="CEL is an optional extra")
    raw = json.dumps({"predicateType": "x", "predicate": predicate}).encode()
    why = conditions.why_not(Attestation("a", "x", cel=expression), raw)
    assert (word in why) if word else why == ""


def static(action: Any, message: str = "") -> Authority:
    return authority(Static(action, message), name=f"static {action}")


def test_static_authorities_decide_alone_without_a_registry() -> None:
    passes, fails = policy(static("fail"), static("pass")), policy(static("fail", "not here"), static("fail"))
    assert without_registry("i", passes, "") == ImageResult("i", "", "ci", ok=True)
    refusal = without_registry("i", fails, "")
    assert refusal is not None
    assert (refusal.ok, refusal.reason) == (False, "not here")
    assert without_registry("i", policy(static("fail"), authority()), "") is None


def test_a_static_refusal_leaves_the_other_authorities(shop: Shop) -> None:
    digest = shop.image()
    rule = policy(static("fail", "frozen"), authority())
    refused(shop, digest, rule, "frozen")
    shop.bundle(digest)
    accepted(shop, digest, rule)


def test_signatures_may_be_kept_in_another_repository(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    rule = policy(authority(sources=(f"{shop.registry.netloc}/signatures",)))
    refused(shop, digest, rule, f"{shop.registry.netloc}/signatures")
    shop.legacy(digest, repository="signatures")
    accepted(shop, digest, rule)


# -- platforms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signed,satisfied",
    [
        ("", {"index": False, "child": False, "any": False}),
        ("index", {"index": True, "child": False, "any": True}),
        ("one", {"index": False, "child": False, "any": False}),
        ("children", {"index": False, "child": True, "any": True}),
        ("all", {"index": True, "child": True, "any": True}),
    ],
)
def test_platforms(shop: Shop, signed: str, satisfied: dict[str, bool]) -> None:
    children = [shop.image("", seed=each) for each in ("x", "y")]
    index = shop.registry.push_index(REPOSITORY, children, "v1")
    wanted = {"index": [index], "one": children[:1], "children": children, "all": [index, *children], "": []}
    for digest in wanted[signed]:
        shop.bundle(digest)
    assert {mode: check(shop, index, policy(multi_arch=mode)).result.ok for mode in satisfied} == satisfied


@pytest.mark.parametrize("mode", ["index", "child", "any"])
def test_an_image_of_one_platform_is_its_own(shop: Shop, mode: str) -> None:
    digest = shop.image()
    refused(shop, digest, policy(multi_arch=mode))
    shop.bundle(digest)
    accepted(shop, digest, policy(multi_arch=mode))


@pytest.mark.parametrize(
    "platform,ok",
    [({"os": "unknown", "architecture": "unknown"}, True), ({"os": "linux", "architecture": "arm"}, False)],
)
def test_only_what_cannot_run_needs_no_signature(shop: Shop, platform: dict[str, str], ok: bool) -> None:
    digest = shop.image()
    shop.bundle(digest)
    entries = [{"digest": digest, "size": 1}, {"digest": OTHER_DIGEST, "size": 1, "platform": platform}]
    index = shop.registry.push_manifest(
        REPOSITORY, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX
    )
    assert check(shop, index, policy(multi_arch="child")).result.ok is ok


@pytest.mark.parametrize("entries", [[], [{"digest": "sha512:0"}], [{"digest": f"sha256:{n:064x}"} for n in range(33)]])
def test_an_index_that_says_too_little_or_too_much_is_not_signed_by_its_children(shop: Shop, entries: Any) -> None:
    index = shop.registry.push_manifest(
        REPOSITORY, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX
    )
    assert not check(shop, index, policy(multi_arch="child")).result.ok


# -- what could not be looked at --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path,status,kind",
    [("*/referrers/*", 500, None), ("*.sig", 401, Kind.UNAUTHORIZED), ("*/blobs/*", 503, Kind.UNREACHABLE)],
)
def test_what_could_not_be_looked_at_may_have_counted(shop: Shop, path: str, status: int, kind: Kind | None) -> None:
    digest = shop.image()
    shop.bundle(digest, GOOD.bundle(statement(digest), GOOD.keyless("evil@example.com")))
    shop.registry.fault(reply(status, Retry_After="60"), path)
    result, cause = check(shop, digest)
    assert not result.ok
    assert result.unknown is not None
    assert shop.registry.netloc in result.unknown.cause
    assert result.unknown.cause in result.reason
    assert cause != REFUSED
    assert kind is None or cause == kind


def test_trouble_in_one_place_does_not_spoil_a_signature_in_another(shop: Shop) -> None:
    digest = shop.image()
    shop.legacy(digest)
    shop.registry.fault(reply(500), "*/referrers/*")
    accepted(shop, digest)


def test_a_missing_trust_root_is_told_and_needs_no_registry(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    result, cause = check(shop, digest, roots=Roots({}))
    assert cause == TRUST_ROOT
    assert result.unknown is not None
    assert "trust root" in result.unknown.cause
    assert not [path for path in shop.registry.paths() if "referrers" in path]


def test_a_key_without_a_log_needs_no_trust_root(shop: Shop) -> None:
    digest = shop.image()
    shop.legacy(digest, KEY)
    accepted(shop, digest, policy(key_authority()), roots=Roots({}))


def test_too_many_signatures_are_told(shop: Shop) -> None:
    digest = shop.image()
    shop.layers(digest, ".sig", *[Layer(b"%d" % number, SIMPLE) for number in range(100)])
    refused(shop, digest, None, "only the first 64 were looked at", "none of 64 signatures counts")


# -- cost -------------------------------------------------------------------------------------------------------------


def test_a_good_signature_ends_the_search(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    shop.attest(digest, SPDX)
    accepted(shop, digest)
    assert len(shop.registry.requests) == 3
    everything = accepted(shop, digest, exhaustive=True)
    assert sorted(one.counted for one in everything.found) == [False, True]


def test_attestations_that_are_not_asked_for_are_not_fetched(shop: Shop) -> None:
    digest = shop.image()
    for kind in (SPDX, PROVENANCE):
        tree = GOOD.bundle(statement(digest, kind))
        shop.bundle(digest, tree, annotations={"dev.sigstore.bundle.predicateType": kind})
    shop.bundle(digest)
    accepted(shop, digest)
    assert len([path for path in shop.registry.paths() if "/blobs/" in path]) == 1


def test_a_hint_that_lies_hides_nothing(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest, annotations={"dev.sigstore.bundle.predicateType": PROVENANCE})
    shop.bundle(digest, b"{}", kind=BUNDLE)
    accepted(shop, digest)

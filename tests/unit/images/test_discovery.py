"""Candidates are found wherever they are kept, and none hides another."""

import json
import time
from typing import Any

import pytest

from app.images.artifact import FOREIGN, Candidate, Form, NotLoaded
from app.images.discovery import Discovery, Limits
from tests.simulators.registry import INDEX, Layer
from tests.simulators.registry_faults import hang, reply
from tests.simulators.sigstore import OTHER_DIGEST
from tests.unit.images.image_world import (
    BUNDLE,
    REPOSITORY,
    SIMPLE,
    Shop,
    attestation_layer,
    signature_layer,
)


def discovery(shop: Shop, digest: str, **more: Any) -> Discovery:
    deadline = time.monotonic() + more.pop("seconds", 5)
    return Discovery(shop.client, shop.context, digest, None, deadline, **more)


def seen(found: Discovery) -> list[tuple[str, str]]:
    return [(one.where, one.kind) for one in found]


def test_every_place_is_looked_at(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    shop.layers(digest, ".sig", signature_layer(digest))
    shop.layers(digest, ".att", attestation_layer(digest))
    found = discovery(shop, digest)
    assert seen(found) == [
        ("referrers", "bundle v0.3"),
        ("sig-tag", "simple signing"),
        ("att-tag", "DSSE envelope"),
    ]
    assert not found.troubles
    assert not found.more
    assert found.places[0] == "the referrers API"


def test_the_fallback_tag_is_read_where_there_is_no_api(old_shop: Shop) -> None:
    digest = old_shop.image()
    old_shop.bundle(digest)
    assert seen(discovery(old_shop, digest)) == [("fallback-tag", "bundle v0.3")]


@pytest.mark.parametrize("claimed", ["application/vnd.oci.empty.v1+json", "", "text/plain", None])
def test_a_list_may_claim_any_artifact_type(old_shop: Shop, claimed: str | None) -> None:
    digest = old_shop.image()
    artifact = old_shop.bundle(digest)
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": artifact, "size": 1}
    if claimed is not None:
        entry["artifactType"] = claimed
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry, {"digest": 7}, "nonsense"]}
    old_shop.registry.push_manifest(REPOSITORY, index, INDEX, digest.replace(":", "-"))
    assert seen(discovery(old_shop, digest)) == [("fallback-tag", "bundle v0.3")]


def test_the_fallback_tag_is_also_read_where_the_api_came_later(shop: Shop) -> None:
    digest = shop.image()
    artifact = shop.bundle(digest, subject=OTHER_DIGEST)
    content = json.loads(shop.client.manifest(shop.context, artifact, None, time.monotonic() + 5).content)
    content["subject"]["digest"] = digest
    stored = shop.registry._repositories[REPOSITORY]
    moved = shop.registry.push_manifest(REPOSITORY, json.dumps(content).encode())
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": moved, "size": 1}]}
    shop.registry.push_manifest(REPOSITORY, index, INDEX, digest.replace(":", "-"))
    stored.referrers.clear()
    assert seen(discovery(shop, digest)) == [("fallback-tag", "bundle v0.3")]


def test_a_manifest_about_another_image_is_told_and_not_used(shop: Shop) -> None:
    digest = shop.image()
    foreign = shop.bundle(digest, subject=OTHER_DIGEST)
    entries = shop.registry._repositories[REPOSITORY].referrers
    entries[digest] = [{"digest": foreign, "mediaType": "x", "size": 1}]
    (candidate,) = discovery(shop, digest)
    assert candidate.form is Form.OTHER
    assert OTHER_DIGEST in candidate.trouble
    assert digest in candidate.trouble


def test_what_is_not_sigstore_s_is_told(shop: Shop) -> None:
    digest = shop.image()
    shop.registry.push_artifact(REPOSITORY, digest, "application/vnd.cncf.notary.signature", [Layer(b"x", "x/y")])
    (candidate,) = discovery(shop, digest)
    assert (candidate.kind, candidate.trouble) == ("application/vnd.cncf.notary.signature", FOREIGN)


def test_a_legacy_signature_may_be_a_referrer(shop: Shop) -> None:
    digest = shop.image()
    kind = "application/vnd.dev.cosign.artifact.sig.v1+json"
    shop.registry.push_artifact(REPOSITORY, digest, kind, [signature_layer(digest)])
    assert seen(discovery(shop, digest)) == [("referrers", "simple signing")]


def test_broken_manifests_and_layers_hide_no_other(shop: Shop) -> None:
    digest = shop.image()
    good = shop.bundle(digest)
    layer = signature_layer(digest)
    stored = shop.registry.push_blob(REPOSITORY, layer.content)
    entries = shop.registry._repositories[REPOSITORY].referrers[digest]
    entries.insert(0, {"digest": OTHER_DIGEST, "mediaType": "x", "size": 1, "artifactType": BUNDLE})
    broken: Any = {
        "schemaVersion": 2,
        "config": {"mediaType": "x", "digest": stored, "size": 1},
        "layers": [
            {"mediaType": SIMPLE, "digest": 5, "size": 1},
            {"mediaType": SIMPLE, "digest": "sha512:00", "size": 1},
            {"mediaType": SIMPLE, "digest": stored, "size": len(layer.content), "annotations": dict(layer.annotations)},
        ],
    }
    shop.registry.push_manifest(REPOSITORY, broken, tag=digest.replace(":", "-") + ".sig")
    found = list(discovery(shop, digest))
    assert [one.form for one in found] == [Form.OTHER, Form.BUNDLE, Form.OTHER, Form.OTHER, Form.SIMPLE]
    assert "not found" in found[0].trouble
    assert good != found[1].digest
    assert found[1].load()


def test_a_place_that_fails_is_a_trouble_and_hides_no_other(shop: Shop) -> None:
    digest = shop.image()
    shop.layers(digest, ".sig", signature_layer(digest))
    shop.registry.fault(reply(500), "*/referrers/*")
    found = discovery(shop, digest)
    assert ("sig-tag", "simple signing") in seen(found)
    assert len(found.troubles) == 1
    assert "500" in found.troubles[0].summary


def test_ten_thousand_entries_in_one_place_leave_the_others_their_turn(shop: Shop) -> None:
    digest = shop.image()
    layer = signature_layer(digest)
    shop.layers(digest, ".sig", *[Layer(b"%d" % number, SIMPLE) for number in range(1000)])
    shop.bundle(digest)
    shop.layers(digest, ".att", layer)
    found = discovery(shop, digest)
    listed = seen(found)
    assert len(listed) == 64
    assert found.more
    assert ("referrers", "bundle v0.3") in listed[:9]
    assert ("att-tag", "simple signing") in listed[:18]


def test_what_looks_like_a_signature_comes_first(shop: Shop) -> None:
    digest = shop.image()
    for number in range(20):
        shop.registry.push_artifact(REPOSITORY, digest, "application/spdx+json", [Layer(b"%d" % number, "x/y")])
    shop.bundle(digest)
    assert next(iter(discovery(shop, digest))).form is Form.BUNDLE


def test_contents_are_fetched_when_they_are_asked_for_and_once(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    (candidate,) = found = list(discovery(shop, digest))
    assert not [path for path in shop.registry.paths() if "/blobs/" in path]
    assert candidate.load() == candidate.load()
    assert len([path for path in shop.registry.paths() if "/blobs/" in path]) == 1
    assert len(found) == 1


def test_iterating_again_asks_nothing_again(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    found = discovery(shop, digest)
    first = list(found)
    count = len(shop.registry.requests)
    assert list(found) == first
    assert len(shop.registry.requests) == count


def test_nothing_is_asked_before_it_is_needed(shop: Shop) -> None:
    digest = shop.image()
    shop.bundle(digest)
    next(iter(discovery(shop, digest)))
    assert not [path for path in shop.registry.paths() if path.endswith((".sig", ".att"))]


@pytest.mark.parametrize(
    "limits,sizes,loaded",
    [
        (Limits(one=100), [101], [False]),
        (Limits(one=100), [100], [True]),
        (Limits(content=250), [100, 100, 100], [True, True, False]),
    ],
)
def test_contents_are_bounded(shop: Shop, limits: Limits, sizes: list[int], loaded: list[bool]) -> None:
    digest = shop.image()
    layers = [Layer(bytes([number]) * size, SIMPLE) for number, size in enumerate(sizes)]
    shop.layers(digest, ".sig", *layers)

    def loads(candidate: Candidate) -> bool:
        try:
            return bool(candidate.load())
        except NotLoaded:
            return False

    assert [loads(one) for one in discovery(shop, digest, limits=limits)] == loaded


def test_a_registry_that_hangs_ends_with_the_deadline(shop: Shop) -> None:
    digest = shop.image()
    shop.registry.fault(hang(), "*/referrers/*")
    started = time.monotonic()
    found = discovery(shop, digest, seconds=0.3)
    assert not list(found)
    assert time.monotonic() - started < 2
    assert len(found.troubles) == 1


@pytest.mark.parametrize("signatures,attestations,suffixes", [(True, False, [".sig"]), (False, True, [".att"])])
def test_only_what_is_wanted_is_asked_for(
    shop: Shop, signatures: bool, attestations: bool, suffixes: list[str]
) -> None:
    digest = shop.image()
    list(discovery(shop, digest, signatures=signatures, attestations=attestations))
    asked = {path[-4:] for path in shop.registry.paths() if path.endswith((".sig", ".att"))}
    assert sorted(asked) == suffixes


def test_another_repository_is_looked_at(shop: Shop) -> None:
    digest = shop.image()
    shop.layers(digest, ".sig", signature_layer(digest), repository="signatures")
    found = Discovery(shop.client, f"{shop.registry.netloc}/signatures", digest, None, time.monotonic() + 5)
    assert seen(found) == [("sig-tag", "simple signing")]

"""What the client asks for, and what it makes of the answers."""

import pytest

from app.images.registry import Kind, RegistryError
from tests.simulators import registry_faults as faults
from tests.simulators.registry import INDEX, MANIFEST, Layer, OciRegistry
from tests.unit.images.registry.asking import ANN, REPOSITORY, Source, client, context, ref, soon


def test_a_tag_is_resolved_to_the_digest_of_its_content(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY, "v1")
    registry = client(plain)
    found = registry.resolve(ref(plain, ":v1"), None, soon())
    assert (found.digest, found.media_type, found.size) == (digest, MANIFEST, 415)
    other = plain.push_image(REPOSITORY, "v1", seed="moved")
    assert registry.resolve(ref(plain, ":v1"), None, soon()).digest == other


def test_a_known_digest_costs_a_head_request_for_a_tag_and_none_by_digest(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY, "v1")
    registry = client(plain)
    registry.resolve(ref(plain, ":v1"), None, soon())
    plain.requests.clear()
    registry.resolve(ref(plain, ":v1"), None, soon())
    assert [request.method for request in plain.requests] == ["HEAD"]
    registry.resolve(ref(plain, f"@{digest}"), None, soon())
    registry.resolve(ref(plain, f":other@{digest}"), None, soon())
    assert len(plain.requests) == 1


def test_what_one_credential_saw_another_has_to_ask_for(locked: OciRegistry) -> None:
    digest = locked.push_image(REPOSITORY, "v1")
    registry = client(locked)
    registry.resolve(ref(locked, f"@{digest}"), Source(ANN), soon())
    with pytest.raises(RegistryError) as refused:
        registry.resolve(ref(locked, f"@{digest}"), None, soon())
    assert refused.value.kind is Kind.UNAUTHORIZED


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_registry_without_head_is_asked_by_get(plain: OciRegistry, status: int) -> None:
    digest = plain.push_image(REPOSITORY, "v1")
    plain.fault(faults.reply(status), method="HEAD")
    assert client(plain).resolve(ref(plain, ":v1"), None, soon()).digest == digest


def test_indexes_and_their_media_type(plain: OciRegistry) -> None:
    children = [plain.push_image(REPOSITORY, seed=seed) for seed in "ab"]
    index = plain.push_index(REPOSITORY, children, "multi")
    found = client(plain).manifest(context(plain), "multi", None, soon())
    assert (found.digest, found.media_type) == (index, INDEX)


def test_blobs_up_to_a_limit(plain: OciRegistry) -> None:
    digest = plain.push_blob(REPOSITORY, b"x" * 1000)
    registry = client(plain)
    assert registry.blob(context(plain), digest, None, soon(), limit=1000) == b"x" * 1000
    with pytest.raises(RegistryError, match="larger than 999 bytes") as refused:
        registry.blob(context(plain), digest, None, soon(), limit=999)
    assert refused.value.kind is Kind.TOO_LARGE


def test_referrers_in_pages(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY)
    pushed = [plain.push_artifact(REPOSITORY, digest, "application/x", [Layer(bytes([n]), "t")]) for n in range(5)]
    plain.page_size = 2
    found = client(plain).referrers(context(plain), digest, None, soon())
    assert found is not None
    assert [one.digest for one in found] == pushed
    assert {one.artifact_type for one in found} == {"application/x"}


def test_no_referrers_is_another_thing_than_no_api(plain: OciRegistry) -> None:
    digest = plain.push_image(REPOSITORY)
    assert client(plain).referrers(context(plain), digest, None, soon()) == []
    with OciRegistry(referrers=False) as old:
        pushed = old.push_artifact(REPOSITORY, digest, "application/x", [])
        registry = client(old)
        assert registry.referrers(context(old), digest, None, soon()) is None
        fallback = registry.manifest(context(old), digest.replace(":", "-"), None, soon())
        assert pushed.encode() in fallback.content


@pytest.mark.parametrize("name", ["", "..", "-a", "a/b", "a?b", "a b", "x" * 129, "sha256:abc"])
def test_what_is_no_tag_is_not_asked_for(plain: OciRegistry, name: str) -> None:
    with pytest.raises(RegistryError):
        client(plain).manifest(context(plain), name, None, soon())
    assert plain.requests == []


@pytest.mark.parametrize("path", ["a/../b", "A/b", "a?b", "a//b", "", "a#b", "a:b", "a@b"])
def test_what_is_no_repository_is_not_asked_for(plain: OciRegistry, path: str) -> None:
    with pytest.raises(RegistryError):
        client(plain).manifest(f"{plain.netloc}/{path}", "v1", None, soon())
    assert plain.requests == []

"""Policy documents in a directory: what is read, how everything that is wrong is told, and what stays in force."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.config import directory, documents
from app.config.documents import EMPTY, Documents, Id, load_directory, update
from app.errors import ConfigError
from tests.unit.config.documents import KEYLESS, policy, read

BAD = policy(authority="key: {kms: x}")
NOT_YAML = "kind: [\n"


def names(found: Documents) -> list[str]:
    return [key.name for key in found.loaded]


def globs(found: Documents, name: str = "p") -> tuple[str, ...]:
    (one,) = [one for one in found.of("ClusterImagePolicy") if one.name == name]
    return one.images


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_yaml_json_lists_and_streams(tmp_path: Path) -> None:
    head = {"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy"}
    spec = {"images": [{"glob": "**"}], "authorities": [{"static": {"action": "fail"}}]}

    def plain(name: str) -> dict[str, object]:
        return {**head, "metadata": {"name": name}, "spec": spec}

    (tmp_path / "sub" / "more").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text(policy("a") + "---\n# nothing\n---\n" + policy("b"))
    (tmp_path / "sub" / "c.json").write_text(json.dumps(plain("c")))
    (tmp_path / "sub" / "more" / "d.YML").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [plain("d"), plain("e")]})
    )
    (tmp_path / "f.yaml").write_text(json.dumps({**head, "kind": "ClusterImagePolicyList", "items": [{**plain("f")}]}))
    (tmp_path / "notes.txt").write_text(NOT_YAML)
    (tmp_path / ".hidden.yaml").write_text(NOT_YAML)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text(NOT_YAML)
    found = load_directory(tmp_path)
    assert names(found) == ["a", "b", "c", "d", "e", "f"]
    assert found.loaded[Id("ClusterImagePolicy", "b")].source == str(tmp_path / "a.yaml")
    assert found.loaded[Id("ClusterImagePolicy", "b")].line == 16
    assert [one.name for one in found.of("ClusterImagePolicy")] == names(found)
    assert found.of("TrustRoot") == ()


def test_an_empty_directory_is_no_policies(tmp_path: Path) -> None:
    assert load_directory(tmp_path) == EMPTY


def test_every_problem_of_every_file_at_once(tmp_path: Path) -> None:
    write(tmp_path, a=policy("a") + "---\n" + BAD, b=NOT_YAML, c="kind: Pod\napiVersion: v1\n")
    write(tmp_path, d=policy("d", "  mod: x"))
    with pytest.raises(ConfigError) as caught:
        load_directory(tmp_path)
    lines = [line.removeprefix(f"{tmp_path}/") for line in caught.value.diagnosis.splitlines()]
    assert [line.partition(": ")[0] for line in lines] == ["a.yaml:19:11", "b.yaml:2:1", "c.yaml:1:1", "d.yaml:10:3"]
    assert lines[2] == "c.yaml:1:1: kind: `Pod` is no kind of policy; known are TrustRoot, ClusterImagePolicy"
    assert lines[3] == "d.yaml:10:3: spec.mod: unknown field, did you mean `mode`?"
    assert caught.value.summary == f"{caught.value.diagnosis.splitlines()[0]} (and 3 more)"


def test_one_problem_is_the_summary(tmp_path: Path) -> None:
    write(tmp_path, a=BAD)
    with pytest.raises(ConfigError) as caught:
        load_directory(tmp_path)
    assert caught.value.diagnosis == ""
    assert caught.value.summary.startswith(f"{tmp_path}/a.yaml:9:11: spec.authorities[0].key.kms: ")


@pytest.mark.parametrize(
    "text,problem",
    [
        ("a: 1", "1:1: apiVersion: is missing"),
        ("apiVersion: v1", "1:1: kind: is missing"),
        ("apiVersion: 1\nkind: x", "1:1: apiVersion: must be text; put it in quotes"),
        (
            "apiVersion: v1\nkind: Clusterimagepolicy",
            "2:1: kind: `Clusterimagepolicy` is no kind of policy, did you mean `Cl",
        ),
        (
            "apiVersion: policy.sigstore.dev/v1\nkind: ClusterImagePolicy",
            "1:1: apiVersion: `policy.sigstore.dev/v1` is no",
        ),
        (
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: TrustRoot",
            "1:1: apiVersion: `policy.sigstore.dev/v1beta1` is",
        ),
        ("apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy", "1:1: metadata.name: is missing"),
        (
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: y}",
            "3:12: metadata.name: must be text; put it in quotes",
        ),
        ("- a", "1: a Kubernetes object is a mapping, not a sequence"),
        (policy().replace("name: p", "name: p\n  lables: {}"), "5:3: metadata.lables: unknown field, did you mean"),
        (policy() + "spek: {}\n", "10:1: spek: unknown field, did you mean `spec`?"),
        (policy() + "kind: x\n", "10:1: key `kind` is given twice, first on line 2"),
    ],
)
def test_what_is_no_document(tmp_path: Path, text: str, problem: str) -> None:
    found, said = read(tmp_path, text)
    assert len(said) == 1
    assert said[0].startswith(problem)
    assert not found.loaded


def test_a_name_is_given_once(tmp_path: Path) -> None:
    write(tmp_path, a=policy("x") + "---\n" + policy("why"), b=policy("why", glob="quay.io/**"))
    found, problems = update(EMPTY, tmp_path)
    assert names(found) == ["x"]
    assert [str(one) for one in problems] == [
        f"{tmp_path}/b.yaml:4:3: metadata.name: ClusterImagePolicy/why is there already, at {tmp_path}/a.yaml:14:3"
    ]


def test_both_of_one_name_are_checked_but_the_first_stays_out_too(tmp_path: Path) -> None:
    write(tmp_path, a=policy("why"))
    before, _ = update(EMPTY, tmp_path)
    write(tmp_path, b=policy("why", glob="quay.io/**"))
    after, problems = update(before, tmp_path)
    assert len(problems) == 1
    assert globs(after, "why") == ("ghcr.io/me/**",)
    assert after.stale == (Id("ClusterImagePolicy", "why"),)


def test_hash_is_of_what_is_said(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        found, _ = read(tmp_path, text)
        (one,) = found.loaded.values()
        (image_policy,) = found.of("ClusterImagePolicy")
        assert image_policy.hash == one.hash
        return one.hash

    plain = policy()
    same = [
        "# comment\n" + plain,
        plain.replace("v1beta1", "v1alpha1"),
        plain.replace(": p\n", ": p\n  labels: {a: b}\n  annotations: {other.example/x: x}\n  generation: 4\n"),
        plain + "status: {}\n",
        json.dumps(
            {
                "spec": {
                    "authorities": [
                        {
                            "keyless": {
                                "identities": [
                                    {
                                        "subject": "https://github.com/me/app",
                                        "issuer": "https://token.actions.githubusercontent.com",
                                    }
                                ]
                            }
                        }
                    ],
                    "images": [{"glob": "ghcr.io/me/**"}],
                },
                "metadata": {"name": "p"},
                "kind": "ClusterImagePolicy",
                "apiVersion": "policy.sigstore.dev/v1beta1",
            }
        ),
    ]
    other = [
        policy("q"),
        policy(glob="ghcr.io/me/*"),
        policy(spec="  mode: warn\n"),
        plain.replace("  name: p\n", "  name: p\n  annotations: {pratique.dev/multi-arch: index}\n"),
    ]
    digests = [digest(text) for text in (plain, *same)]
    assert set(digests) == {digests[0]}
    others = [digest(text) for text in other]
    assert len({digests[0], *others}) == 5


def test_a_good_change_takes_effect(tmp_path: Path) -> None:
    write(tmp_path, a=policy("p"), b=policy("q"))
    before, problems = update(EMPTY, tmp_path)
    assert problems == ()
    write(tmp_path, a=policy("p", glob="quay.io/**"))
    (tmp_path / "b.yaml").unlink()
    after, problems = update(before, tmp_path)
    assert problems == ()
    assert names(after) == ["p"]
    assert globs(after) == ("quay.io/**",)
    assert after.stale == ()
    assert globs(before) == ("ghcr.io/me/**",)  # what others hold does not change under them


def test_a_bad_document_does_not_replace_the_good_one(tmp_path: Path) -> None:
    write(tmp_path, a=policy("p") + "---\n" + policy("q"))
    before, _ = update(EMPTY, tmp_path)
    write(tmp_path, a=BAD + "---\n" + policy("q", glob="quay.io/**"))
    after, problems = update(before, tmp_path)
    assert len(problems) == 1
    assert globs(after) == globs(before)
    assert globs(after, "q") == ("quay.io/**",)
    assert after.stale == (Id("ClusterImagePolicy", "p"),)
    again, problems = update(after, tmp_path)  # and not at the next look either
    assert (again, len(problems)) == (after, 1)
    write(tmp_path, a=policy("p", glob="gcr.io/**") + "---\n" + policy("q"))
    good, problems = update(again, tmp_path)
    assert (globs(good), good.stale, problems) == (("gcr.io/**",), (), ())


@pytest.mark.parametrize(
    "hiding",
    [NOT_YAML, "kind: ClusterImagePolicy\n", policy("p").replace("ClusterImagePolicy", "ClusterImagePolicie"), "- x\n"],
)
def test_nothing_is_withdrawn_while_something_could_hide_it(tmp_path: Path, hiding: str) -> None:
    write(tmp_path, a=policy("p"), b=policy("q"))
    before, _ = update(EMPTY, tmp_path)
    (tmp_path / "a.yaml").unlink()  # moved to another file, and a slip of the finger there
    write(tmp_path, c=hiding)
    after, problems = update(before, tmp_path)
    assert len(problems) == 1
    assert names(after) == ["p", "q"]
    assert after.stale == (Id("ClusterImagePolicy", "p"),)
    (tmp_path / "c.yaml").unlink()
    after, problems = update(after, tmp_path)
    assert (names(after), after.stale, problems) == (["q"], (), ())


def test_a_document_that_is_gone_from_good_files_is_withdrawn_beside_a_bad_one(tmp_path: Path) -> None:
    write(tmp_path, a=policy("p"), b=policy("q"))
    before, _ = update(EMPTY, tmp_path)
    (tmp_path / "b.yaml").unlink()
    write(tmp_path, a=BAD)
    after, _ = update(before, tmp_path)
    assert names(after) == ["p"]


def test_a_directory_that_is_gone_withdraws_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    write(folder, a=policy("p"))
    before, _ = update(EMPTY, folder)
    folder.rename(tmp_path / "elsewhere")
    after, problems = update(before, folder)
    assert [str(one) for one in problems] == [f"{folder}: cannot be read: No such file or directory"]
    assert names(after) == ["p"]


def test_nobody_can_change_what_is_in_force(tmp_path: Path) -> None:
    write(tmp_path, a=policy("p"))
    found = load_directory(tmp_path)
    with pytest.raises(TypeError):
        del found.loaded[Id("ClusterImagePolicy", "p")]  # type: ignore[attr-defined]


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a=policy("a"), b=policy("b"), c=policy("c"))
    before = load_directory(tmp_path)

    def told() -> list[str]:
        after, problems = update(before, tmp_path)
        assert names(after) == ["a", "b", "c"]  # what is not read is not gone
        return [str(one).removeprefix(f"{tmp_path}/") for one in problems]

    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 2)
    assert told() == ["c.yaml:1: more than 2 documents; not read from here on"]
    monkeypatch.undo()
    monkeypatch.setattr(directory, "MAX_FILES", 1)
    assert told() == ["b.yaml: more than 1 files; not read from here on"]
    monkeypatch.undo()
    size = (tmp_path / "a.yaml").stat().st_size
    monkeypatch.setattr(directory, "MAX_TOTAL_BYTES", 2 * size)
    assert told() == ["c.yaml: not read: the policy files together are larger than 0 MiB"]
    monkeypatch.undo()
    with (tmp_path / "a.yaml").open("a") as file:
        file.truncate(directory.MAX_FILE_BYTES + 1)
    assert told() == ["a.yaml: larger than 4 MiB"]


def test_too_deep_a_tree_is_said(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 17)
    deep.mkdir(parents=True)
    (deep / "a.yaml").write_text(policy())
    _, problems = update(EMPTY, tmp_path)
    assert [one.text for one in problems] == ["more than 16 directories deep; not read"]


def test_what_is_no_file_is_said_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "nowhere.yaml").symlink_to(tmp_path / "missing")
    (tmp_path / "circle").symlink_to(tmp_path)
    _, problems = update(EMPTY, tmp_path)
    assert [str(one).removeprefix(f"{tmp_path}/") for one in problems] == [
        "circle: is a symbolic link to a directory, which is not followed",
        "nowhere.yaml: cannot be read: No such file or directory",
        "pipe.yaml: is not a regular file",
    ]


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "real").write_text(policy())
    (tmp_path / "policies" / "a.yaml").symlink_to(tmp_path / "real")
    assert names(load_directory(tmp_path / "policies")) == ["p"]


class Mounted:
    """A ConfigMap as the kubelet mounts it and swaps its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0

    def swap(self, **files: str) -> None:
        self.version += 1
        new = self.folder / f"..2026_{self.version}"
        new.mkdir()
        write(new, **files)
        link = self.folder / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.folder / "..data")
        for name in files:
            visible = self.folder / f"{name}.yaml"
            if not visible.is_symlink():
                visible.symlink_to(f"..data/{name}.yaml")


def test_a_mounted_config_map(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    mounted.swap(a=policy("p"), b=policy("q"))
    seen = directory.identity(tmp_path)
    before = load_directory(tmp_path)
    assert names(before) == ["p", "q"]
    assert before.loaded[Id("ClusterImagePolicy", "p")].source == f"{tmp_path}/a.yaml"
    assert directory.identity(tmp_path) == seen
    mounted.swap(a=policy("p", glob="quay.io/**"), b=policy("q"))
    assert directory.identity(tmp_path) != seen
    after, problems = update(before, tmp_path)
    assert (problems, globs(after)) == ((), ("quay.io/**",))


def test_one_reading_never_mixes_two_versions_of_a_config_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = Mounted(tmp_path)
    mounted.swap(a=policy("p"), b=policy("q"))
    content = directory._content

    def swapping(*arguments: object) -> object:
        result = content(*arguments)  # type: ignore[arg-type]
        if mounted.version == 1:
            mounted.swap(a=policy("p", glob="quay.io/**"), b=policy("q", glob="quay.io/**"))
        return result

    monkeypatch.setattr(directory, "_content", swapping)
    found = load_directory(tmp_path)
    assert mounted.version == 2
    assert globs(found, "p") == globs(found, "q") == ("ghcr.io/me/**",)


def test_a_config_map_that_is_being_taken_away(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path)
    mounted.swap(a=policy("p"))
    before = load_directory(tmp_path)
    (tmp_path / "..2026_1").rename(tmp_path.parent / "gone")
    after, problems = update(before, tmp_path)
    assert names(after) == ["p"]
    assert len(problems) == 1


CHANGES = ["content", "new", "gone", "renamed", "deep", "no folder"]
NO_CHANGES = ["nothing", "hidden", "other"]


@pytest.mark.parametrize("change", CHANGES + NO_CHANGES)
def test_identity_changes_with_the_files(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "policies"
    (folder / "sub").mkdir(parents=True)
    write(folder, a=policy("p"), b=policy("q"))
    write(folder / "sub", c=policy("r"))
    seen = directory.identity(folder)
    if change == "content":
        write(folder, a=policy("p", glob="quay.io/**"))
    elif change == "new":
        write(folder, d=policy("s"))
    elif change == "gone":
        (folder / "a.yaml").unlink()
    elif change == "renamed":
        (folder / "a.yaml").rename(folder / "z.yaml")
    elif change == "deep":
        write(folder / "sub", c=policy("other"))
    elif change == "hidden":
        (folder / ".x.yaml").write_text("x")
    elif change == "other":
        (folder / "notes.txt").write_text("x")
    elif change == "no folder":
        folder.rename(tmp_path / "elsewhere")
    assert (directory.identity(folder) == seen) is (change in NO_CHANGES)


def test_reading_is_bounded_in_time(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + step)}: &{chr(98 + step)} [{', '.join([f'*{chr(97 + step)}'] * 9)}]\n" for step in range(9)
    )
    (tmp_path / "bomb.yaml").write_text(bomb)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    _, problems = update(EMPTY, tmp_path)
    assert [Path(one.source).name for one in problems] == ["bomb.yaml", "deep.json"]


def test_warnings_have_places(tmp_path: Path) -> None:
    write(tmp_path, a=policy("b", authority="static: {action: pass}") + "---\n" + policy("a", authority=KEYLESS))
    found = load_directory(tmp_path)
    assert [line.partition(" ")[0] for line in found.warnings] == [f"{tmp_path}/a.yaml:9:5:"]

"""The configuration file of Pod Security Admission: what is accepted, defaulted and refused, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.podsecurity import VERSIONS, PodSecurityConfiguration, load
from app.config.yaml import YamlError
from app.core.version import LATEST, Level, LevelVersion, Version
from app.errors import ConfigError

HEAD = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n"
ADMISSION = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"
FULL = """\
defaults:
  enforce: baseline
  enforce-version: v1.24
  audit: restricted
  audit-version: latest
  warn: restricted
  warn-version: v1.0
exemptions:
  usernames: [system:serviceaccount:a:b, "jane@example.com"]
  namespaces: [kube-system, a]
  runtimeClasses: [gvisor, kata.example.com]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def read(file: Path, text: str) -> PodSecurityConfiguration:
    file.write_text(text)
    return load(file)


def told(file: Path, text: str) -> list[str]:
    """Every problem, without the file's name."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    error = caught.value
    lines = error.diagnosis.splitlines() if "more)" in error.summary else [error.summary]
    assert error.summary.startswith(lines[0])
    assert all(line.startswith(str(file)) for line in lines)
    return [line.removeprefix(f"{file}:") for line in lines]


def test_no_file_and_an_empty_one_mean_the_defaults(file: Path) -> None:
    for configuration in (load(None), load(""), read(file, "")):
        assert configuration == PodSecurityConfiguration()
        assert configuration.defaults.enforced == LevelVersion(Level.PRIVILEGED, LATEST)
        assert configuration.defaults.audited == LevelVersion(Level.PRIVILEGED, LATEST)
        assert configuration.defaults.warned == LevelVersion(Level.PRIVILEGED, LATEST)
        assert configuration.exemptions.usernames == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_set(file: Path, version: str) -> None:
    configuration = read(file, HEAD.replace("/v1", f"/{version}") + FULL)
    assert configuration.defaults.enforced == LevelVersion(Level.BASELINE, Version(24))
    assert configuration.defaults.audited == LevelVersion(Level.RESTRICTED, LATEST)
    assert configuration.defaults.warned == LevelVersion(Level.RESTRICTED, Version(0))
    assert configuration.exemptions.usernames == ("system:serviceaccount:a:b", "jane@example.com")
    assert configuration.exemptions.namespaces == ("kube-system", "a")
    assert configuration.exemptions.runtime_classes == ("gvisor", "kata.example.com")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "defaults:\nexemptions:\n",
        "defaults: {}\nexemptions: {}\n",
        'defaults: {enforce: "", enforce-version: "", warn: null, audit-version: null}\n',
        "exemptions: {usernames: [], namespaces: null, runtimeClasses: []}\n",
    ],
)
def test_absent_null_and_empty_are_the_defaults(file: Path, text: str) -> None:
    assert read(file, HEAD + text) == PodSecurityConfiguration()


def test_json(file: Path) -> None:
    head = '"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"'
    assert read(file, f'{{{head}, "defaults": {{"warn": "baseline"}}}}').defaults.warned == LevelVersion(
        Level.BASELINE, LATEST
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("defaults: {enforce: baselin}", "3:12: defaults.enforce: must be one of privileged, baseline, restricted"),
        ("defaults:\n  enforce: Baseline", "4:3: defaults.enforce: must be one of privileged, baseline, restricted"),
        ("defaults:\n  enforce: true", "4:3: defaults.enforce: must be text"),
        (
            "defaults:\n  warn-version: 1.24",
            '4:3: defaults.warn-version: must be text such as "v1.24" or "latest", not a number',
        ),
        ("defaults:\n  warn-version: v1.24.1", '4:3: defaults.warn-version: must be "latest" or "v1.x"'),
        ("defaults:\n  warn-version: v1.024", '4:3: defaults.warn-version: must be "latest" or "v1.x"'),
        ("defaults:\n  warn-version: yes", "4:3: defaults.warn-version: must be text"),
        (
            "defaults:\n  enforce_version: v1.1",
            "4:3: defaults.enforce_version: unknown field, did you mean `enforce-version`?",
        ),
        (
            "defaults:\n  enforceVersion: v1.1",
            "4:3: defaults.enforceVersion: unknown field, did you mean `enforce-version`?",
        ),
        ("default: {}", "3:1: default: unknown field, did you mean `defaults`?"),
        ("x: {}", "3:1: x: unknown field; known are apiVersion, kind, defaults, exemptions"),
        ("defaults: []", "3:1: defaults: must be a mapping"),
        (
            "exemptions:\n  runtimeclasses: []",
            "4:3: exemptions.runtimeclasses: unknown field, did you mean `runtimeClasses`?",
        ),
        ("exemptions:\n  namespaces: a", "4:3: exemptions.namespaces: must be a list"),
        ("exemptions:\n  namespaces:\n  - a\n  - b\n  - a", "7:5: exemptions.namespaces[2]: `a` is listed twice"),
        ("exemptions:\n  usernames: [a, a]", "4:18: exemptions.usernames[1]: `a` is listed twice"),
        ("exemptions:\n  usernames: ['']", "4:15: exemptions.usernames[0]: must not be empty"),
        ("exemptions:\n  usernames: [12]", "4:15: exemptions.usernames[0]: must be text; put it in quotes"),
        ("exemptions:\n  runtimeClasses: [a, a]", "4:23: exemptions.runtimeClasses[1]: `a` is listed twice"),
    ],
)
def test_problems_name_the_line_and_the_field(file: Path, text: str, problem: str) -> None:
    assert told(file, HEAD + text) == [problem]


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "a.b", "", "a" * 64, "é", "a\n"])
def test_names_of_namespaces(file: Path, name: str) -> None:
    (problem,) = told(file, f"{HEAD}exemptions: {{namespaces: [{name!r}]}}".replace("'a\\n'", '"a\\n"'))
    assert problem.startswith("3:27: exemptions.namespaces[0]: must ")


@pytest.mark.parametrize("name", ["A", "a..b", ".a", "a.", "a_b", "", "a" * 254, "a.-b"])
def test_names_of_runtime_classes(file: Path, name: str) -> None:
    (problem,) = told(file, f"{HEAD}exemptions: {{runtimeClasses: [{name!r}]}}")
    assert problem.startswith("3:31: exemptions.runtimeClasses[0]: must ")


def test_names_at_their_limits(file: Path) -> None:
    exemptions = f"exemptions: {{namespaces: [{'a' * 63}, '0'], runtimeClasses: [{'a' * 253}, {'a' * 100}.b]}}"
    assert len(read(file, HEAD + exemptions).exemptions.runtime_classes) == 2


def test_all_problems_at_once_in_the_order_of_the_file(file: Path) -> None:
    text = """exemptions:
  namespaces: [A, b]
  x: 1
defaults:
  warn: bad
"""
    assert told(file, HEAD + text) == [
        (
            "4:16: exemptions.namespaces[0]: must consist of lower case letters, digits and `-`, "
            "and start and end with a letter or digit"
        ),
        "5:3: exemptions.x: unknown field; known are usernames, namespaces, runtimeClasses",
        "7:3: defaults.warn: must be one of privileged, baseline, restricted",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: PodSecurityConfiguration", "1: `apiVersion` is missing or no text"),
        ("apiVersion: pod-security.admission.config.k8s.io/v1", "1: `kind` is missing or no text"),
        ("apiVersion: 1\nkind: x", "1:1: `apiVersion` is missing or no text"),
        ("- 1", "1: expected an object with `apiVersion` and `kind`"),
        (HEAD + "---\n" + HEAD, "4: a second document; a configuration file holds one"),
        ("# only\n# comments", None),
        (HEAD + "kind: x", "3:1: key `kind` is given twice, first on line 2"),
    ],
)
def test_what_is_no_configuration(file: Path, text: str, problem: str | None) -> None:
    if problem is None:
        file.write_text(text)
        with pytest.raises(ConfigError, match="holds no object") as caught:
            load(file)
        assert "leave the file empty" in caught.value.diagnosis
    else:
        assert told(file, text) == [problem]


@pytest.mark.parametrize(
    ("api_version", "kind", "problem"),
    [
        (
            "pod-security.admission.config.k8s.io/v2",
            "PodSecurityConfiguration",
            "is not a Pod Security configuration, did you mean `pod-security.admission.config.k8s.io/v1`?",
        ),
        ("v1", "Pod", "1:1: apiVersion `v1`, kind `Pod` is not a Pod Security configuration"),
        ("apiserver.config.k8s.io/v2", "AdmissionConfiguration", "did you mean `apiserver.config.k8s.io/v1`?"),
        ("apiserver.config.k8s.io/v1", "PodSecurityConfiguration", "is not a Pod Security configuration"),
    ],
)
def test_other_types(file: Path, api_version: str, kind: str, problem: str) -> None:
    (line,) = told(file, f"apiVersion: {api_version}\nkind: {kind}\n")
    assert problem in line


def test_files_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read .*config.yaml: No such file or directory"):
        load(file)
    file.write_text("a: [")
    with pytest.raises(YamlError):
        load(file)


# The apiserver's AdmissionConfiguration.


def test_inline(file: Path) -> None:
    text = f"""{ADMISSION}- name: Other
  path: x
- name: PodSecurity
  path: ignored
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1beta1
    kind: PodSecurityConfiguration
    defaults: {{enforce: restricted}}
"""
    assert read(file, text).defaults.enforced == LevelVersion(Level.RESTRICTED, LATEST)
    assert told(file, text.replace("restricted", "bad")) == [
        "11:16: plugins[1].configuration.defaults.enforce: must be one of privileged, baseline, restricted"
    ]


def test_by_path_relative_to_the_file(file: Path) -> None:
    (file.parent / "inner.yaml").write_text(HEAD + FULL)
    text = f"{ADMISSION}- name: PodSecurity\n  path: inner.yaml\n"
    assert read(file, text).defaults.enforced == LevelVersion(Level.BASELINE, Version(24))
    (file.parent / "inner.yaml").write_text("")
    assert load(file) == PodSecurityConfiguration()
    (file.parent / "inner.yaml").write_text(HEAD + "x: 1")
    with pytest.raises(ConfigError, match=r"inner.yaml:3:1: x: unknown field"):
        load(file)
    (file.parent / "inner.yaml").unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*inner.yaml"):
        load(file)


@pytest.mark.parametrize("plugins", ["- name: Other\n", "- name: PodSecurity\n", " []"])
def test_without_the_plugin_or_its_configuration(file: Path, plugins: str) -> None:
    assert read(file, ADMISSION + plugins) == PodSecurityConfiguration()


@pytest.mark.parametrize(
    ("plugins", "problem"),
    [
        (
            "- {name: PodSecurity}\n- {name: PodSecurity}\n",
            "5:3: plugins[1].name: plugin `PodSecurity` is configured twice",
        ),
        (
            "- {name: PodSecurity, confguration: {}}\n",
            "4:23: plugins[0].confguration: unknown field, did you mean `configuration`?",
        ),
        ("- {name: PodSecurity, configuration: {a: 1}}\n", "4:23: `apiVersion` is missing or no text"),
        ("- {name: PodSecurity, configuration: 1}\n", "4:23: expected an object with `apiVersion` and `kind`"),
        ("- PodSecurity\n", "4:3: plugins[0]: must be a mapping"),
        (" x\n", "3:1: plugins: must be a list"),
    ],
)
def test_problems_of_the_admission_configuration(file: Path, plugins: str, problem: str) -> None:
    assert told(file, ADMISSION + plugins) == [problem]


def test_the_schema_names_fields_as_kubernetes_does() -> None:
    schema = PodSecurityConfiguration.model_json_schema(by_alias=True)
    defaults = schema["$defs"]["PodSecurityDefaults"]["properties"]
    assert list(defaults) == ["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"]
    assert defaults["enforce-version"]["default"] == "latest"
    assert schema["additionalProperties"] is False


def test_a_configuration_is_frozen_and_serialises_as_written(file: Path) -> None:
    configuration = read(file, HEAD + FULL)
    with pytest.raises(ValueError, match="frozen"):
        configuration.defaults.enforce = Level.PRIVILEGED  # type: ignore[misc]
    written = configuration.model_dump_json(by_alias=True)
    assert read(file, written) == configuration

"""Documents point at what is there, and the manifests are what they claim to be."""

import pathlib
import re
from typing import Any

import msgspec
import pytest
import yaml

from app.catalog import catalog
from app.cli.serve import serve
from app.core.decode import decode_review
from app.core.facts import Facts
from app.core.plan import Modes, Snapshot
from app.core.review import judge, request_of
from app.core.target import CONTROLLERS
from app.core.version import LATEST, Level, LevelVersion

PROJECT = pathlib.Path(__file__).parents[2]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
RESTRICTED = LevelVersion(Level.RESTRICTED, LATEST)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((PROJECT / name).read_text(encoding="utf-8")))


def of_kind(name: str, kind: str) -> dict[str, Any]:
    (found,) = (document for document in documents(name) if document["kind"] == kind)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_to_files(document: pathlib.Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_make_targets_that_documents_name_exist(document: pathlib.Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    code = re.findall(r"`[^`\n]+`|```sh\n.*?```", document.read_text(encoding="utf-8"), re.DOTALL)
    named = {name for part in code for name in re.findall(r"\bmake ((?:[a-z0-9-]+ ?)+)", part)}
    assert {name for names in named for name in names.split()} <= targets


def test_our_own_deployment_keeps_the_restricted_level() -> None:
    deployment = of_kind("docs/deploy/pratique.yaml", "Deployment")
    request = {
        "uid": "1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "namespace": "pratique",
        "name": "pratique",
        "operation": "CREATE",
        "object": deployment,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    snapshot = Snapshot(rules=catalog().rules, defaults=Modes(enforce=RESTRICTED), enforce_controllers=True)
    decision = judge(request_of(decode_review(msgspec.json.encode(review))), snapshot, Facts())
    assert decision.enforced
    assert decision.allowed, decision.enforce.findings


def test_our_own_pod_is_locked_down_further() -> None:
    pod = of_kind("docs/deploy/pratique.yaml", "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsUser"] == 65532


def test_the_deployment_uses_flags_that_exist() -> None:
    (container,) = of_kind("docs/deploy/pratique.yaml", "Deployment")["spec"]["template"]["spec"]["containers"]
    command, *flags = container["args"]
    known = {option for parameter in serve.params for option in parameter.opts}
    assert command == "serve"
    assert {flag.partition("=")[0] for flag in flags} <= known


def test_permissions_are_to_look_only() -> None:
    rules = of_kind("docs/deploy/pratique.yaml", "ClusterRole")["rules"]
    granted = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {("namespaces", "get"), ("namespaces", "list"), ("namespaces", "watch"), ("pods", "list")}


def test_the_registration_asks_about_everything_that_carries_a_pod() -> None:
    deciding, advising = of_kind("docs/deploy/webhook.yaml", "ValidatingWebhookConfiguration")["webhooks"]
    controllers = {
        (group, resource) for rule in advising["rules"] for group in rule["apiGroups"] for resource in rule["resources"]
    }
    assert controllers == set(CONTROLLERS)
    assert deciding["rules"][0]["resources"] == ["namespaces", "pods", "pods/ephemeralcontainers", "pods/resize"]
    assert (deciding["failurePolicy"], advising["failurePolicy"]) == ("Fail", "Ignore")


def test_the_registration_can_lock_out_neither_the_cluster_nor_ourselves() -> None:
    for webhook in of_kind("docs/deploy/webhook.yaml", "ValidatingWebhookConfiguration")["webhooks"]:
        (expression,) = webhook["namespaceSelector"]["matchExpressions"]
        assert expression["operator"] == "NotIn"
        assert {"kube-system", "pratique"} <= set(expression["values"])
        assert webhook["sideEffects"] == "None"


def test_the_kind_cluster_shows_pratiques_answers_only_and_mounts_its_audit_policy() -> None:
    (cluster,) = documents("kind-config.yaml")
    (mount,) = cluster["nodes"][0]["extraMounts"]
    policy = PROJECT / mount["hostPath"]
    assert yaml.safe_load(policy.read_text(encoding="utf-8"))["kind"] == "Policy"
    patches = [yaml.safe_load(patch) for patch in cluster["kubeadmConfigPatches"]]
    assert [patch["apiVersion"] for patch in patches] == ["kubeadm.k8s.io/v1beta3", "kubeadm.k8s.io/v1beta4"]
    old, new = (patch["apiServer"]["extraArgs"] for patch in patches)
    assert old == {argument["name"]: argument["value"] for argument in new}
    assert old["disable-admission-plugins"] == "PodSecurity"
    assert old["audit-policy-file"] == mount["containerPath"]

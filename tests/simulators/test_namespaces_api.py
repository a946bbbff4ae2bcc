import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.namespaces_api import NamespacesApi


@pytest.fixture
def api() -> Iterator[NamespacesApi]:
    with NamespacesApi({"a": {"x": "1"}}) as serving:
        yield serving


def get(api: NamespacesApi, path: str) -> Any:
    with urllib.request.urlopen(api.url + path, timeout=10) as answer:
        return json.load(answer)


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def test_namespaces_are_listed_and_given(api: NamespacesApi) -> None:
    api.put("b", {})
    assert names(get(api, "/api/v1/namespaces")) == ["a", "b"]
    labels = get(api, "/api/v1/namespaces/a")["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": "a", "x": "1"}
    assert api.requests == {"list namespaces": 1, "get namespaces": 1}


def test_an_absent_namespace_is_a_status(api: NamespacesApi) -> None:
    with pytest.raises(urllib.error.HTTPError) as failure:
        get(api, "/api/v1/namespaces/zzz")
    assert failure.value.code == 404
    assert json.load(failure.value)["reason"] == "NotFound"


def test_pods_come_in_pages(api: NamespacesApi) -> None:
    api.put_pods("a", [{"metadata": {"name": f"p{number}"}} for number in range(5)])
    first = get(api, "/api/v1/namespaces/a/pods?limit=3")
    assert names(first) == ["p0", "p1", "p2"]
    assert first["metadata"]["remainingItemCount"] == 2
    rest = get(api, f"/api/v1/namespaces/a/pods?limit=3&continue={first['metadata']['continue']}")
    assert names(rest) == ["p3", "p4"]
    assert "continue" not in rest["metadata"]
    assert names(get(api, "/api/v1/namespaces/zzz/pods")) == []


def test_a_watch_tells_changes(api: NamespacesApi) -> None:
    version = get(api, "/api/v1/namespaces")["metadata"]["resourceVersion"]
    with urllib.request.urlopen(f"{api.url}/api/v1/namespaces?watch=1&resourceVersion={version}", timeout=10) as watch:
        api.put("a", {"x": "2"})
        api.put("b", {})
        api.delete("b")
        events = [json.loads(watch.readline()) for _ in range(3)]
    assert [event["type"] for event in events] == ["MODIFIED", "ADDED", "DELETED"]
    assert events[0]["object"]["metadata"]["labels"]["x"] == "2"


def test_a_watch_can_begin_with_everything(api: NamespacesApi) -> None:
    path = "/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    with urllib.request.urlopen(api.url + path, timeout=10) as watch:
        added, mark = (json.loads(watch.readline()) for _ in range(2))
    assert added["object"]["metadata"]["name"] == "a"
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_the_kubeconfig_leads_here(api: NamespacesApi, tmp_path: Path) -> None:
    config = json.loads(api.write_kubeconfig(tmp_path / "kubeconfig").read_text(encoding="utf-8"))
    assert config["clusters"][0]["cluster"]["server"] == api.url

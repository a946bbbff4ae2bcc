"""The cache of labels and the live look-ups, against an API server that fails in every way it can."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path

import msgspec
import pytest

from app.cluster.access import Access, Static
from app.cluster.api import Api
from app.cluster.cache import LabelsCache
from app.cluster.namespaces import POD_PAGE, Namespaces, open_namespaces
from app.core.facts import PodList
from app.core.unknown import Unknown
from app.errors import ConfigError
from tests.simulators.kube_api import Drop, Hang, KubeApi, Lines, Reply, Trickle
from tests.unit.cluster.conftest import TOKEN, until


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


async def test_labels_come_from_the_first_list(namespaces: Namespaces) -> None:
    assert namespaces.labels("shop") == {"kubernetes.io/metadata.name": "shop", "team": "a"}
    assert namespaces.labels("bare") == {}
    assert namespaces.labels("absent") is None
    assert len(namespaces) == 2


async def test_the_list_is_read_in_pages(server: KubeApi, api: Api) -> None:
    for number in range(1200):
        server.put(f"n{number}", {"team": str(number % 7)})
    cache = LabelsCache(api)
    cache.start()
    await until(lambda: cache.ready)
    assert len(cache.labels) == 1202
    assert [request.query.get("continue") for request in server.requests if request.verb == "list"] == [
        None,
        "500",
        "1000",
    ]
    assert cache.stop()


async def test_equal_words_are_stored_once(server: KubeApi, api: Api) -> None:
    server.put("b", {"team": "a" * 40})
    server.put("c", {"team": "a" * 40})
    cache = LabelsCache(api)
    cache.start()
    await until(lambda: cache.ready)
    assert cache.labels["b"]["team"] is cache.labels["c"]["team"]
    assert cache.stop()


async def test_changes_arrive_by_the_watch(server: KubeApi, namespaces: Namespaces) -> None:
    server.put("new", {"x": "1"})
    await until(lambda: namespaces.labels("new") is not None)
    server.put("shop", {"team": "b"})
    await until(lambda: namespaces.labels("shop") == {"kubernetes.io/metadata.name": "shop", "team": "b"})
    server.delete("bare")
    await until(lambda: namespaces.labels("bare") is None)
    assert server.count("list") == 1
    assert namespaces.trouble == ""
    assert namespaces.age is not None
    assert namespaces.age < 5


async def test_a_broken_watch_goes_on_where_it_was(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    server.put("one")
    await until(lambda: namespaces.labels("one") is not None)
    server.disconnect()
    server.put("two")
    await until(lambda: namespaces.labels("two") is not None)
    assert server.count("list") == 1


async def test_bookmarks_move_the_watch_on(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    version = server.bookmark()
    await until(lambda: namespaces._cache._version == version)
    server.disconnect()
    server.wait_for("watch", 2)
    watches = [request for request in server.requests if request.verb == "watch"]
    assert watches[-1].query["resourceVersion"] == version
    assert watches[-1].query["allowWatchBookmarks"] == "true"


async def test_a_version_that_is_gone_means_a_new_list(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    server.forget()
    server.disconnect()
    server.wait_for("list", 2)
    server.put("later")
    await until(lambda: namespaces.labels("later") is not None)


async def test_an_error_event_410_means_a_new_list(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
    server.script("watch", Lines((json.dumps(gone).encode(),)))
    server.disconnect()
    server.wait_for("list", 2)


async def test_deletions_missed_while_cut_off_are_seen_by_the_new_list(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    server.script("watch", *[Reply(503)] * 3)
    server.disconnect()
    server.delete("shop")
    server.forget()
    await until(lambda: namespaces.labels("shop") is None)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b'{"type":"MODIFIED","object":{"metadata":{"name":7}}}',
        b'{"type":"ADDED","object":null}',
        b'{"type":"ERROR","object":{"code":500,"message":"etcd is down"}}',
        b"\xff\xfe",
    ],
)
async def test_an_event_that_makes_no_sense_means_a_new_list(
    server: KubeApi, namespaces: Namespaces, line: bytes
) -> None:
    server.wait_for("watch", 1)
    server.script("watch", Lines((line,)))
    server.disconnect()
    server.wait_for("list", 2)
    server.put("after")
    await until(lambda: namespaces.labels("after") is not None)


async def test_a_watch_cut_in_the_middle_of_an_event_loses_nothing(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    server.script("watch", Drop(after=b'{"type":"ADDED","object":{"metadata":{"name":"ha'))
    server.disconnect()
    server.put("half")
    await until(lambda: namespaces.labels("half") is not None)
    assert namespaces.labels("ha") is None


async def test_stale_labels_are_kept_while_cut_off(
    server: KubeApi, namespaces: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    server.wait_for("watch", 1)
    with caplog.at_level(logging.INFO, "pratique.cluster"):
        server.script("watch", *[Reply(500, b'{"message":"etcd\\nis down"}')] * 5)
        server.disconnect()
        await until(lambda: "500" in namespaces.trouble)
        assert namespaces.trouble == f"Kubernetes API {server.url} answered 500: etcdis down"
        assert namespaces.ready
        assert namespaces.labels("shop") is not None
        await until(lambda: not namespaces.trouble)
    told = [record.getMessage() for record in caplog.records]
    assert told.count(f"namespaces are not up to date: Kubernetes API {server.url} answered 500: etcdis down") == 1
    assert told[-1] == "namespaces are up to date again"


async def test_not_ready_until_the_list_is_complete(server: KubeApi, api: Api) -> None:
    for number in range(600):
        server.put(f"n{number}")
    server.script("list", Reply(403, b'{"message":"namespaces is forbidden"}'), Reply(200, b"[]"), Drop())
    cache = LabelsCache(api, pause=0.01)
    assert not cache.ready
    assert cache.age is None
    cache.start()
    await until(lambda: cache.trouble)
    await until(lambda: cache.ready)
    assert len(cache.labels) == 602
    await until(lambda: not cache.trouble)
    assert cache.stop()


async def test_an_expired_list_starts_again(server: KubeApi, api: Api) -> None:
    for number in range(600):
        server.put(f"n{number}")
    first = json.dumps(server.namespaces_page({"limit": "500"})).encode()
    server.script("list", Reply(200, first), Reply(410, b'{"message":"continue parameter is too old"}'))
    cache = LabelsCache(api, pause=0.01)
    cache.start()
    await until(lambda: cache.ready)
    assert len(cache.labels) == 602
    assert server.count("list") == 4
    assert cache.stop()


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_in_a_loop(server: KubeApi, api: Api) -> None:
    server.script("watch", *[Lines()] * 1000)
    cache = LabelsCache(api, pause=0.1)
    cache.start()
    server.wait_for("watch", 2)
    await asyncio.sleep(0.5)  # the measure is how often it asks in this time
    assert cache.stop()
    assert server.count("watch") < 10


async def test_stop_interrupts_an_idle_watch(server: KubeApi, api: Api) -> None:
    cache = LabelsCache(api)
    cache.start()
    server.wait_for("watch", 1)
    await until(lambda: cache._watch)
    began = time.monotonic()
    assert cache.stop()
    assert time.monotonic() - began < 1
    assert cache.trouble == ""


async def test_stop_before_the_server_answers(server: KubeApi, api: Api) -> None:
    server.script("list", Hang())
    cache = LabelsCache(api)
    cache.start()
    server.wait_for("list", 1)
    assert not cache.stop(0.05)  # the thread is a daemon: it does not hold up the process
    server.disconnect()
    assert cache.stop()


async def test_a_live_look_up_finds_what_the_watch_has_not_told_yet(server: KubeApi, namespaces: Namespaces) -> None:
    assert await namespaces.fetch("shop", soon()) == {"kubernetes.io/metadata.name": "shop", "team": "a"}
    assert await namespaces.fetch("bare", soon()) == {}


async def test_a_namespace_that_does_not_exist(namespaces: Namespaces) -> None:
    assert await namespaces.fetch("absent", soon()) == Unknown('namespace "absent" does not exist')


async def test_names_are_escaped(server: KubeApi, namespaces: Namespaces) -> None:
    assert isinstance(await namespaces.fetch("../nodes?x=", soon()), Unknown)
    assert server.requests[-1].path == "/api/v1/namespaces/..%2Fnodes%3Fx%3D"


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (
            Reply(403, b'{"message":"namespaces \\"shop\\" is forbidden"}'),
            "the Kubernetes API answered 403 (forbidden)",
        ),
        (Reply(500, b"<html>"), "answered 500 (internal server error)"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "answered 302 (found)"),
        (Reply(200, b"garbage"), "the answer is no namespace"),
        (Reply(200, b'{"metadata":{"labels":{"a":1}}}'), "the answer is no namespace"),
    ],
)
async def test_other_answers_are_unknown(server: KubeApi, namespaces: Namespaces, reply: Reply, cause: str) -> None:
    server.script("get", reply)
    answer = await namespaces.fetch("shop", soon())
    assert isinstance(answer, Unknown)
    assert answer.cause.startswith('cannot read namespace "shop": ')
    assert answer.cause.endswith(cause)


async def test_broken_connections_are_unknown(server: KubeApi, namespaces: Namespaces) -> None:
    server.script("get", Drop(), Drop())
    answer = await namespaces.fetch("shop", soon())
    assert answer == Unknown('cannot read namespace "shop": the Kubernetes API does not answer')


async def test_addresses_and_accounts_are_for_the_log_only(
    server: KubeApi, namespaces: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("get", Reply(403, b'{"message":"User \\"system:pratique\\" cannot get"}'))
    answer = await namespaces.fetch("shop", soon())
    assert isinstance(answer, Unknown)
    assert server.url not in answer.cause
    assert "system:pratique" not in answer.cause
    assert server.url in caplog.text
    assert "system:pratique" in caplog.text


async def test_one_broken_connection_is_tried_again(server: KubeApi, namespaces: Namespaces) -> None:
    server.script("get", Drop())
    assert not isinstance(await namespaces.fetch("shop", soon()), Unknown)


@pytest.mark.parametrize("step", [Hang(), Trickle(0.02)])
async def test_a_look_up_ends_at_its_deadline(server: KubeApi, namespaces: Namespaces, step: Hang | Trickle) -> None:
    server.script("get", step)
    began = time.monotonic()
    answer = await namespaces.fetch("shop", began + 0.2)
    assert time.monotonic() - began < 1
    assert answer == Unknown('cannot read namespace "shop": no answer in time')
    server.disconnect()


async def test_look_ups_at_once_share_one_request(server: KubeApi, namespaces: Namespaces) -> None:
    server.script("get", Hang(), Reply(200, b'{"metadata":{"labels":{"a":"b"}}}'))
    waiting = [asyncio.create_task(namespaces.fetch("shop", soon())) for _ in range(50)]
    await until(lambda: server.count("get") == 1)
    server.disconnect()  # the one request is repeated, its answer serves all
    assert await asyncio.gather(*waiting) == [{"a": "b"}] * 50
    assert server.count("get") == 2


async def test_a_caller_who_leaves_does_not_end_the_look_up(server: KubeApi, namespaces: Namespaces) -> None:
    server.script("get", Hang(), Reply(200, b'{"metadata":{"labels":{"a":"b"}}}'))
    hasty = asyncio.create_task(namespaces.fetch("shop", soon(0.05)))
    patient = asyncio.create_task(namespaces.fetch("shop", soon()))
    assert isinstance(await hasty, Unknown)
    server.disconnect()
    assert await patient == {"a": "b"}


async def test_pods_come_in_pages_undecoded(server: KubeApi, namespaces: Namespaces) -> None:
    server.pods = [{"metadata": {"name": f"p{n}"}} for n in range(POD_PAGE * 2 + 10)]
    answer = await namespaces.pods("shop", soon(), 3000)
    assert isinstance(answer, PodList)
    assert answer.total == len(answer.pods) == POD_PAGE * 2 + 10
    assert msgspec.json.decode(answer.pods[-1]) == {"metadata": {"name": f"p{POD_PAGE * 2 + 9}"}}


async def test_pods_stop_at_the_limit(server: KubeApi, namespaces: Namespaces) -> None:
    server.pods = [{"metadata": {"name": f"p{n}"}} for n in range(700)]
    answer = await namespaces.pods("shop", soon(), POD_PAGE + 1)
    assert isinstance(answer, PodList)
    assert (len(answer.pods), answer.total) == (POD_PAGE + 1, 700)


async def test_pods_stop_at_the_deadline(server: KubeApi, namespaces: Namespaces) -> None:
    server.pods = [{"metadata": {"name": f"p{n}"}} for n in range(700)]
    first = json.dumps(server.pods_page({"limit": str(POD_PAGE)})).encode()
    server.script("pods", Reply(200, first), Hang())
    answer = await namespaces.pods("shop", soon(0.3), 3000)
    assert isinstance(answer, PodList)
    assert (len(answer.pods), answer.total) == (POD_PAGE, 700)
    server.disconnect()


async def test_a_later_page_that_fails_leaves_the_earlier_ones(server: KubeApi, namespaces: Namespaces) -> None:
    server.pods = [{"metadata": {"name": f"p{n}"}} for n in range(700)]
    first = json.dumps(server.pods_page({"limit": str(POD_PAGE)})).encode()
    server.script("pods", Reply(200, first), Reply(410))
    answer = await namespaces.pods("shop", soon(), 3000)
    assert isinstance(answer, PodList)
    assert (len(answer.pods), answer.total) == (POD_PAGE, 700)


@pytest.mark.parametrize("step", [Reply(500), Reply(200, b"{}"), Hang()])
async def test_pods_that_cannot_be_listed_are_unknown(
    server: KubeApi, namespaces: Namespaces, step: Reply | Hang
) -> None:
    server.script("pods", step)
    answer = await namespaces.pods("shop", soon(0.3), 3000)
    assert isinstance(answer, Unknown)
    assert answer.cause.startswith('cannot list the pods of namespace "shop": ')
    server.disconnect()


async def test_an_empty_namespace_has_no_pods(namespaces: Namespaces) -> None:
    assert await namespaces.pods("shop", soon(), 3000) == PodList([], 0)


async def test_a_server_that_is_not_there_is_asked_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with KubeApi() as gone:
        url = gone.url
    api = Api(Access(url, Static(f"Bearer {TOKEN}")))
    cache = LabelsCache(api, pause=0.01)
    cache.start()
    await until(lambda: cache.trouble)
    assert cache.trouble == f"Kubernetes API {url}: connection refused"
    assert not cache.ready
    assert cache.stop()
    assert TOKEN not in caplog.text


async def test_the_token_is_nowhere_to_be_seen(
    server: KubeApi, namespaces: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = "another"
    with caplog.at_level(logging.DEBUG):
        answer = await namespaces.fetch("shop", soon())
        assert isinstance(answer, Unknown)
        server.disconnect()
        await until(lambda: "401" in namespaces.trouble)
    assert answer.cause.endswith("answered 401 (unauthorized)")
    objects = [namespaces, namespaces._api, namespaces._api._access, namespaces._api._access.credentials]
    assert TOKEN not in caplog.text + repr(objects) + answer.cause + namespaces.trouble


async def test_reading_labels_asks_nobody_and_copies_nothing(server: KubeApi, namespaces: Namespaces) -> None:
    server.wait_for("watch", 1)
    asked = len(server.requests)
    assert namespaces.labels("shop") is namespaces.labels("shop")
    assert namespaces.labels("absent") is None
    assert len(server.requests) == asked


async def test_opening_with_a_kubeconfig(server: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(f"""
current-context: c
contexts: [{{name: c, context: {{cluster: k, user: u}}}}]
clusters: [{{name: k, cluster: {{server: "{server.url}"}}}}]
users: [{{name: u, user: {{token: {TOKEN}}}}}]
""")
    opened = open_namespaces(file)
    await until(lambda: opened.ready)
    assert opened.labels("shop") == {"kubernetes.io/metadata.name": "shop", "team": "a"}
    await opened.close()


def test_opening_without_any_access(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="not in a cluster"):
        open_namespaces(None)
    with pytest.raises(ConfigError, match="cannot read kubeconfig"):
        open_namespaces(tmp_path / "absent")


async def test_a_bug_of_ours_does_not_end_the_watch(
    server: KubeApi, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = LabelsCache(api, pause=0.01)
    follow, calls = cache._follow, iter([True])

    def once_broken() -> None:
        if next(calls, False):
            raise ZeroDivisionError
        follow()

    monkeypatch.setattr(cache, "_follow", once_broken)
    cache.start()
    server.wait_for("list", 2)
    server.wait_for("watch", 1)
    assert cache.stop()
    assert "watching namespaces failed; listing them again" in caplog.text


async def test_lists_without_a_version_and_namespaces_with_many_words(server: KubeApi, api: Api) -> None:
    server.script("list", Reply(200, b'{"metadata":{},"items":null}'))
    for number in range(50):
        server.put(f"n{number}", {f"key{number}-{word}": f"value{number}-{word}" for word in range(60)})
    cache = LabelsCache(api, pause=0.01)
    cache.start()
    await until(lambda: len(cache.labels) == 52)
    assert len(cache._words) < 5000
    assert cache.stop()


async def test_stopping_between_two_pages(server: KubeApi, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(600):
        server.put(f"n{number}")
    cache = LabelsCache(api)

    def stop_asked(_: object) -> dict[str, str]:
        cache._stopping.set()
        return {}

    monkeypatch.setattr(cache, "_lean", stop_asked)
    cache.start()
    await until(lambda: not cache._thread.is_alive())
    assert not cache.ready
    assert server.count("list") == 1

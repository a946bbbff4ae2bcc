"""Stopping: in-band, in order, and without losing one review."""

import http.client
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.contract.webhook import Webhook, review
from tests.kube.process import wait_for

HEAD = b"POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_readiness_falls_at_once_and_reviews_go_on(start: Callable[..., Webhook]) -> None:
    webhook = start("--drain-seconds=3")
    kept = webhook.client()
    assert webhook.judge(kept, review())["allowed"]
    webhook.terminate()
    wait_for(lambda: webhook.request("GET", "/readyz")[0].status == 503, "unready")
    answer, body = webhook.request("GET", "/readyz?verbose")
    assert b"[-]shutdown failed: draining" in body
    assert answer.getheader("connection") == "close"
    assert webhook.request("GET", "/livez")[0].status == 200
    # The kept connection carries one more review, and is told that it was the last.
    kept.request("POST", "/validate", review(), {"Content-Type": "application/json"})
    last = kept.getresponse()
    last.read()
    assert (last.status, last.getheader("connection")) == (200, "close")
    # New connections are still taken.
    answer, _ = webhook.request("POST", "/validate", review(), content_type="application/json")
    assert answer.status == 200
    assert webhook.end() == 0


def test_a_review_under_way_is_answered_after_listening_ended(start: Callable[..., Webhook]) -> None:
    webhook = start("--drain-seconds=0.2")
    body = review()
    with webhook.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:50])
        webhook.terminate()
        wait_for(lambda: not accepts(webhook), "the listener to close")
        connection.sendall(body[50:])
        answer = connection.recv(65536)
    assert b'"allowed":true' in answer
    assert b"connection: close" in answer
    assert webhook.end() == 0


def accepts(webhook: Webhook) -> bool:
    try:
        webhook.connect(seconds=2).close()
    except OSError:
        return False
    return True


def test_idle_connections_do_not_keep_it(start: Callable[..., Webhook]) -> None:
    webhook = start("--drain-seconds=0.5")
    idle = [webhook.connect() for _ in range(20)]
    started = time.monotonic()
    webhook.terminate()
    assert webhook.end() == 0
    assert time.monotonic() - started < 8.0
    for connection in idle:
        connection.close()


def test_a_second_signal_stops_at_once(start: Callable[..., Webhook]) -> None:
    webhook = start("--drain-seconds=60")
    webhook.terminate()
    wait_for(lambda: webhook.request("GET", "/readyz")[0].status == 503, "draining")
    webhook.terminate()
    assert wait_for(lambda: webhook.exit_code is not None, "the end", 10)
    assert "second signal" in webhook.text()


def test_ctrl_c_ends_it_cleanly(start: Callable[..., Webhook]) -> None:
    webhook = start("--drain-seconds=0")
    webhook._popen.send_signal(signal.SIGINT)
    wait_for(lambda: webhook.exit_code is not None, "the end", 10)
    assert webhook.exit_code == 0
    assert "Traceback" not in webhook.text()


class Service:
    """What kube-proxy and the endpoints controller do: new connections go to who is ready, seen a moment late."""

    def __init__(self, replicas: list[Webhook]) -> None:
        self.endpoints = list(replicas)
        self.stopped = threading.Event()

    def watch(self) -> None:
        while not self.stopped.wait(0.1):
            for replica in list(self.endpoints):
                if not is_ready(replica):
                    self.endpoints.remove(replica)

    def hammer(self, worker: int) -> tuple[int, list[str]]:
        """Reviews on kept connections, moving on where the server asks to; counts and failures."""
        done, failures, number, body = 0, [], worker, review()
        client: http.client.HTTPSConnection | None = None
        while not self.stopped.is_set():
            if client is None:
                number += 1
                client = self.endpoints[number % len(self.endpoints)].client()
            try:
                client.request("POST", "/validate?timeout=5s", body, {"Content-Type": "application/json"})
                answer = client.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                client = None
                continue
            done += 1
            if answer.status != 200 or b'"allowed":true' not in text:
                failures.append(f"{answer.status} {text!r}")
            if answer.getheader("connection") == "close" or done % 50 == 0:  # new connections come all the time
                client.close()
                client = None
        return done, failures


def is_ready(replica: Webhook) -> bool:
    try:
        return replica.request("GET", "/readyz")[0].status == 200
    except OSError:
        return False


def test_not_one_review_is_lost_when_one_of_two_replicas_stops(start: Callable[..., Webhook]) -> None:
    replicas = [start("--drain-seconds=2", name=name) for name in ("one", "two")]
    service = Service(replicas)
    with ThreadPoolExecutor(7) as pool:
        watcher = pool.submit(service.watch)
        workers = [pool.submit(service.hammer, worker) for worker in range(6)]
        try:
            wait_for(lambda: b'decision="allow"' in replicas[0].request("GET", "/metrics")[1], "load")
            replicas[0].terminate()
            wait_for(lambda: replicas[0].exit_code is not None, "the first replica's end", 20)
        finally:
            service.stopped.set()
        watcher.result(30)
        results = [worker.result(30) for worker in workers]
    assert [failure for _, failures in results for failure in failures] == []
    assert sum(done for done, _ in results) > 100
    assert replicas[0].exit_code == 0

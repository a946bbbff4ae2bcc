"""Steady load on the apiserver: pods created by dry run from several threads, every answer checked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e import objects, webhook
from tests.e2e.webhook import NAME, AnyCluster
from tests.kube.process import wait_for


@dataclass
class Load:
    """What came of the requests so far."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, problem: str) -> None:
        with self._lock:
            if problem:
                self.wrong.append(problem)
            else:
                self.right += 1

    def wait_more(self, requests: int) -> None:
        """Wait until so many more requests went well (or one went wrong)."""
        goal = self.right + requests
        wait_for(lambda: self.right >= goal or self.wrong, f"{requests} more requests", 60.0)


@contextmanager
def running(cluster: AnyCluster, space: str, threads: int = 8) -> Iterator[Load]:
    """Keep `threads` requests under way: a good pod must be created, a bad one refused by the webhook."""
    load = Load()
    stop = threading.Event()

    def work() -> None:
        good, bad = objects.pod("good"), objects.privileged_pod("bad")
        while not stop.is_set():
            for pod, status in ((good, 201), (bad, 403)):
                try:
                    answer = webhook.create_pod(cluster, space, pod, dry_run=True)
                except Exception as error:  # noqa: BLE001  whatever it is, it is a failed request
                    load.count(repr(error))
                    continue
                expected = answer.status == status and (status == 201 or NAME in answer.json["message"])
                load.count("" if expected else f"{answer.status}: {answer.body[:400]!r}")

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield load
    finally:
        print(f"{load.right} requests went well, {len(load.wrong)} did not")
        stop.set()
        for worker in workers:
            worker.join(30)

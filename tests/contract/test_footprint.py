"""What an idle server holds."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.contract.webhook import Webhook
from tests.kube.process import wait_for


def test_memory_of_an_idle_server(start: Callable[..., Webhook]) -> None:
    webhook = start()
    wait_for(lambda: webhook.request("GET", "/version")[0].status == 200, "FastAPI to be loaded")
    webhook.still_serves()
    assert webhook.status("VmRSS") / 1024 < 80  # the bar; coverage of child processes adds to it


def test_it_is_ready_soon(start: Callable[..., Webhook]) -> None:
    started = time.monotonic()
    webhook = start()
    # A second on a quiet machine; the processor time is what a busy one does not change.
    assert time.monotonic() - started < 10
    fields = Path(f"/proc/{webhook.pid}/stat").read_text().rpartition(")")[2].split()
    assert (int(fields[11]) + int(fields[12])) / 100 < 2.0

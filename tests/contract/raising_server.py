"""The server with one check more, which raises: `python -m tests.contract.raising_server CERT KEY CONFIG`.

It raises for containers named `boom`, and for those named `late` only after it has found something.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from app import catalog
from app.cli.serve import announce
from app.core.check import Check, Since
from app.core.finding import Finding
from app.core.pod import Pod
from app.observe import logs
from app.server.limits import Limits
from app.server.main import run
from app.server.settings import Settings
from app.server.tls import Files
from policies.privileged import CHECK, find

ID = "raises"
DETAIL = "detail-of-our-own-code"


def raising(pod: Pod) -> Iterator[Finding]:
    for finding in find(pod):
        yield finding._replace(check=ID)
    for container in pod.containers:
        if container.name in {"boom", "late"}:
            raise KeyError(DETAIL)


if __name__ == "__main__":
    original = catalog.discover

    def discover(package: ModuleType) -> Iterator[Check]:
        yield from original(package)
        yield replace(CHECK, id=ID, versions=(Since("v1.0", raising),), psa_id="")

    catalog.discover = discover
    logs.configure("info", "json")
    certificate, key, configuration = map(Path, sys.argv[1:])
    settings = Settings(
        bind_address="127.0.0.1",
        port=0,
        tls=Files(certificate, key),
        configuration=configuration,
        limits=Limits(drain_seconds=0.0),
    )
    sys.exit(run(settings, announce))

"""The server with bounds that a test can wait for: `python -m tests.contract.with_limits LIMITS CERT KEY CONFIG`."""

import json
import sys
from pathlib import Path

from app.cli.serve import announce
from app.observe import logs
from app.server.limits import Limits
from app.server.main import run
from app.server.settings import Settings
from app.server.tls import Files

if __name__ == "__main__":
    logs.configure("info", "json")
    limits, certificate, key, configuration = sys.argv[1:]
    settings = Settings(
        bind_address="127.0.0.1",
        port=0,
        tls=Files(Path(certificate), Path(key)),
        configuration=Path(configuration),
        limits=Limits(**json.loads(limits)),
    )
    sys.exit(run(settings, announce))

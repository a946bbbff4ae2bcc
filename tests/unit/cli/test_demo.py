"""`pratique demo --once` as a process: what `make run` shows."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_it_shows_one_allowed_and_one_denied_pod() -> None:
    command = [sys.executable, "-m", "app", "demo", "--port=0", "--once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "200 OK: allowed" in done.stdout
    assert "200 OK: denied" in done.stdout
    assert 'admission webhook "validate.pratique.dev" denied the request: ' in done.stdout
    assert "\x1b" not in done.stdout, "colours are for terminals"
    assert "Traceback" not in done.stderr

"""Programs that a test starts: logged to a file, waited for by condition, stopped by their own process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

Answer = TypeVar("Answer")


class NotReadyError(AssertionError):
    """Something awaited did not happen in time."""


def wait_for(condition: Callable[[], Answer], what: str, seconds: float = 30.0, pause: float = 0.05) -> Answer:
    """Call `condition` until its answer is true, and return that answer.

    Raises:
        NotReadyError: still false after `seconds`.

    """
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NotReadyError(f"waited {seconds:.0f} s in vain: {what} (last answer: {answer!r})")
        time.sleep(pause)


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Process:
    """A program running in the background; as a context manager it is stopped at the end.

    Where the machine has setpriv, the program also ends when the one that started it dies.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.log = log
        self.name = Path(command[0]).name
        log.parent.mkdir(parents=True, exist_ok=True)
        guard = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        with log.open("wb") as sink:
            self._popen = subprocess.Popen(
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def text(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, condition: Callable[[], Answer], what: str, seconds: float = 60.0) -> Answer:
        """As `wait_for`, but a program that ends meanwhile ends the wait, with its last lines in the error."""

        def check() -> Answer:
            answer = condition()
            if not answer and self.exit_code is not None:
                tail = "\n".join(self.text().splitlines()[-15:])
                raise NotReadyError(f"{self.name} ended with code {self.exit_code} before {what}:\n{tail}")
            return answer

        return wait_for(check, f"{self.name}: {what} (log: {self.log})", seconds)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        if self.exit_code is None:
            self._popen.send_signal(signal.SIGTERM)

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, then SIGKILL after `seconds`; returns the exit code."""
        self.terminate()
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

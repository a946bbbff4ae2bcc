"""`pratique demo`: the webhook on this machine, and what it says to a good pod and to a bad one."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from app.cli.samples import BAD, GOOD, Sample

if TYPE_CHECKING:
    from app.server.main import Ready

WEBHOOK: Final = "validate.pratique.dev"
CONFIGURATION: Final = Path(__file__).with_name("demo.yaml")


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--once", is_flag=True, help="Stop after the two samples; exit code 1 if a verdict is not as it should be."
)
def demo(port: int, *, once: bool) -> None:
    """Try it here, without a cluster: serve on this machine and send two pods through the webhook.

    Every namespace enforces the restricted level. The certificate is self-signed. Ctrl-C ends it.

    \b
    Examples:
      pratique demo
      pratique demo --port 0 --once
    """
    from app.server.selfsigned import Generation  # noqa: PLC0415 - `--help` should not load a server

    generation = Generation()  # works while the rest is imported
    from app.observe import logs  # noqa: PLC0415
    from app.server.limits import Limits  # noqa: PLC0415
    from app.server.main import run  # noqa: PLC0415
    from app.server.settings import Settings  # noqa: PLC0415

    logs.configure("error" if once else "info", "text", colour=sys.stderr.isatty())
    settings = Settings(
        bind_address="127.0.0.1", port=port, configuration=CONFIGURATION, limits=Limits(drain_seconds=0.0)
    )
    visit = _Visit(once=once, trusted=lambda: generation.result().certificate.decode("ascii"))
    code = run(settings, visit.begin, generation)
    sys.exit(code or (1 if visit.surprised else 0))


class _Visit:
    """The client, in a thread of its own: what it uses is what any client could."""

    def __init__(self, *, once: bool, trusted: Any) -> None:
        self._once = once
        self._trusted = trusted
        self.surprised = False
        """Whether a verdict was not as it should be, or there was none."""

    def begin(self, ready: Ready) -> None:
        """Start when the server is ready."""
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()

    def _run(self, ready: Ready) -> None:
        click.echo(
            f"Pratique serves on {ready.url}. Every namespace enforces the level restricted ({_short(CONFIGURATION)})."
        )
        try:
            connection = http.client.HTTPSConnection(
                "localhost", ready.port, timeout=10, context=ssl.create_default_context(cadata=self._trusted())
            )
            for number, sample in enumerate((GOOD, BAD), 1):
                self._send(connection, number, sample)
            connection.close()
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            self.surprised = True
            click.secho(f"the samples could not be sent: {error}", fg="red", err=True)
        if self._once:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        click.echo()
        click.echo(
            f"Still serving. Look around: curl -k {ready.url}/readyz?verbose   {ready.url}/docs   {ready.url}/metrics"
        )
        click.echo("Ctrl-C ends it.")

    def _send(self, connection: http.client.HTTPSConnection, number: int, sample: Sample) -> None:
        body = sample.review(f"demo-{number}")
        started = time.perf_counter()
        connection.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        response = msgspec.json.decode(answer.read())["response"]
        milliseconds = (time.perf_counter() - started) * 1000
        allowed = response["allowed"]
        self.surprised = self.surprised or allowed is not sample.allowed
        click.echo()
        click.secho(f"{number}. {sample.title}", bold=True)
        click.echo(
            f"   POST {ready_path(connection)}  {len(body)} bytes, AdmissionReview: CREATE Pod shop/{sample.name}"
        )
        click.echo(textwrap.indent(_yaml(sample.pod["spec"]), "     "))
        verdict = (
            click.style("allowed", fg="green", bold=True) if allowed else click.style("denied", fg="red", bold=True)
        )
        click.echo(f"   {answer.status} {answer.reason}: {verdict} after {milliseconds:.1f} ms")
        if not allowed:
            click.echo("   kubectl would print:")
            click.echo()
            status = response["status"]
            click.echo(
                f'Error from server ({status["reason"]}): error when creating "{sample.name}.yaml": '
                f'admission webhook "{WEBHOOK}" denied the request: {status["message"]}'
            )


def ready_path(connection: http.client.HTTPSConnection) -> str:
    """Give the URL of the endpoint as the client sees it."""
    return f"https://{connection.host}:{connection.port}/validate"


def _yaml(value: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only here, and it is heavy

    return str(yaml.safe_dump(value, sort_keys=False)).rstrip()


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

"""`pratique serve`: the webhook. Also what the container runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

import click

from app.errors import ConfigError

if TYPE_CHECKING:
    from app.server.main import Ready
    from app.server.settings import Settings

MIB: Final = 1024 * 1024
_FILE = click.Path(path_type=Path)


class Options(TypedDict):
    """The options of `serve`, as click names them."""

    bind_address: str
    port: int
    tls_cert_file: Path | None
    tls_private_key_file: Path | None
    client_ca_file: Path | None
    config: Path | None
    kubeconfig: Path | None
    controllers: Literal["warn", "enforce"]
    max_body_bytes: int
    drain_seconds: float
    log_level: str
    log_format: Literal["auto", "text", "json"]


@click.command()
@click.option(
    "--bind-address",
    default="0.0.0.0",  # noqa: S104 - a pod's address is not known beforehand
    show_default=True,
    help="Address to listen on; '' for all, IPv6 too.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--tls-cert-file", type=_FILE, help="Certificate chain, PEM. Without it: a self-signed certificate.")
@click.option(
    "--tls-private-key-file", type=_FILE, help="Key of the certificate, PEM. Both files are reloaded on change."
)
@click.option("--client-ca-file", type=_FILE, help="Only hear reviews from clients with a certificate of this CA, PEM.")
@click.option("--config", type=_FILE, help="PodSecurityConfiguration, as for the apiserver. Reloaded on change.")
@click.option("--kubeconfig", type=_FILE, help="Cluster whose namespaces to watch. Default: the pod's service account.")
@click.option(
    "--controllers",
    type=click.Choice(["warn", "enforce"]),
    default="warn",
    show_default=True,
    help="What to do about a Deployment, Job, ... whose pods would be refused.",
)
@click.option(
    "--max-body-bytes",
    type=click.IntRange(1024, 256 * MIB),
    default=8 * MIB,
    show_default=True,
    help="Largest review that is read.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0, 600),
    default=5.0,
    show_default=True,
    help="How long to go on serving after SIGTERM.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="debug also logs each allowed review.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="auto: text on a terminal, JSON lines elsewhere.",
)
def serve(**options: Unpack[Options]) -> None:
    """Run the webhook: HTTPS on one port, until SIGTERM or Ctrl-C.

    POST /validate takes AdmissionReviews; /livez, /readyz, /metrics, /version and /docs are for operators.

    \b
    Examples:
      pratique serve                               no cluster, self-signed certificate
      pratique serve --config psa.yaml --kubeconfig ~/.kube/config
      pratique serve --tls-cert-file tls.crt --tls-private-key-file tls.key --client-ca-file apiserver-ca.crt
    """
    sys.exit(start(options, announce))


def start(options: Options, on_ready: Callable[[Ready], None]) -> int:
    """Serve as the options say; return the exit code. Raises ConfigError."""
    self_signed = options["tls_cert_file"] is None
    _check(options)
    from app.server.selfsigned import Generation  # noqa: PLC0415 - `--help` should not load a server

    generation = Generation() if self_signed else None  # works while the rest is imported
    from app.observe import logs  # noqa: PLC0415
    from app.server.main import run  # noqa: PLC0415

    logs.configure(options["log_level"], options["log_format"], colour=sys.stderr.isatty())
    return run(settings_of(options), on_ready, generation)


def _check(options: Options) -> None:
    if (options["tls_cert_file"] is None) is not (options["tls_private_key_file"] is None):
        raise ConfigError(
            "--tls-cert-file and --tls-private-key-file go together",
            "give both, or neither for a self-signed certificate",
        )
    if options["client_ca_file"] is not None and options["tls_cert_file"] is None:
        raise ConfigError(
            "--client-ca-file needs --tls-cert-file",
            "a cluster that shows a client certificate also checks the server's",
        )


def settings_of(options: Options) -> Settings:
    """Give the options their types."""
    from app.server.limits import Limits  # noqa: PLC0415
    from app.server.settings import Settings  # noqa: PLC0415
    from app.server.tls import Files  # noqa: PLC0415

    certificate, key = options["tls_cert_file"], options["tls_private_key_file"]
    return Settings(
        bind_address=options["bind_address"],
        port=options["port"],
        tls=Files(certificate, key, options["client_ca_file"]) if certificate and key else None,
        configuration=options["config"],
        kubeconfig=options["kubeconfig"],
        controllers=options["controllers"],
        limits=Limits(max_body_bytes=options["max_body_bytes"], drain_seconds=options["drain_seconds"]),
    )


def announce(ready: Ready) -> None:
    """Print where the webhook is, once it is ready."""
    click.echo(f"pratique listens on {ready.url}")

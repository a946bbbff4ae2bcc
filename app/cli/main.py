"""`pratique`: the group of commands, and how errors are told."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from app.cli.completion import completion
from app.cli.demo import demo
from app.cli.serve import serve
from app.cli.verify import verify
from app.errors import PratiqueError
from app.observe.build import version

EXIT_CONFIG: Final = 2
"""Usage or configuration error, the same for both."""


class Group(click.Group):
    """Tells an expected failure as one line and a hint, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except PratiqueError as error:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {error.summary}", err=True)
            if error.diagnosis:
                click.echo(f"{click.style('hint:', fg='cyan')} {error.diagnosis}", err=True)
            ctx.exit(EXIT_CONFIG)


@click.group(
    cls=Group,
    context_settings={
        "auto_envvar_prefix": "PRATIQUE",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Every option can be set in the environment too: --log-level of serve is PRATIQUE_SERVE_LOG_LEVEL.",
)
@click.version_option(version(), prog_name="pratique", message="%(prog)s %(version)s")
def pratique() -> None:
    """Enforce the Pod Security Standards in a Kubernetes cluster, and say why.

    \b
    Examples:
      pratique demo                            try it here, without a cluster
      pratique serve --kubeconfig ~/.kube/config
      pratique serve --help                    all settings of the webhook
      pratique verify IMAGE --key cosign.pub   is this image signed, and by whom?
    """


pratique.add_command(serve)
pratique.add_command(demo)
pratique.add_command(verify)
pratique.add_command(completion)


def main() -> None:
    """Run the command line and exit the process."""
    sys.exit(pratique(prog_name="pratique"))

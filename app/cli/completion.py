"""`pratique completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_PRATIQUE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(pratique completion bash)
      pratique completion zsh > ~/.zfunc/_pratique
      pratique completion fish > ~/.config/fish/completions/pratique.fish
    """
    found = get_completion_class(shell)
    if found is None:  # pragma: no cover - click has had all three since 8.0
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "pratique", _VARIABLE).source())

"""``bittrigger completion``: completion for a shell."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion of SHELL; have it read at the start: eval "$(bittrigger completion bash)"."""
    from click.shell_completion import get_completion_class

    from bittrigger.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "bittrigger", "_BITTRIGGER_COMPLETE").source())

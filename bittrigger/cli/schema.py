"""``bittrigger schema``: the layout of what the verbs write for machines."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print the JSON schema called NAME, or list them all; the number at the end rises when an older reader would fail."""
    from bittrigger.errors import ConfigError
    from bittrigger.system.resources import folder

    known = {path.stem: path for path in sorted(folder("schemas").glob("*.json"))}
    if name is None:
        click.echo("\n".join(known))
        return
    wanted = name.removeprefix("bittrigger/")
    if wanted not in known:
        raise ConfigError(f"schema {name!r} is unknown; allowed are {', '.join(known)}")
    click.echo(known[wanted].read_text(encoding="utf-8"), nl=False)

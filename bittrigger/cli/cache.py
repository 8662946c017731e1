"""``bittrigger cache``: what was compiled once for all builds, and how to be rid of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json


@click.group()
def command() -> None:
    """Show or clear the cache: solver, headers, simulators, benches of builds that cannot be written."""


@command.command()
@json_option()
def show(json_file: Path | None) -> None:
    """Say where the cache is and what is in it."""
    from bittrigger.system.toolchain import cache_folder

    folder = cache_folder()
    sizes = {path.name: _size(path) for path in sorted(folder.iterdir())}
    console = terminal()
    console.print(f"{folder}: {sum(sizes.values()) / 1e6:,.1f} MB", markup=False, soft_wrap=True)
    for name, size in sizes.items():
        console.print(f"{size / 1e6:10,.1f} MB  {name}", markup=False, soft_wrap=True)
    write_json(json_file, "cache-1", {"folder": str(folder), "bytes": sum(sizes.values()), "entries": sizes})


@command.command()
def clear() -> None:
    """Remove all that is in the cache; it is made again when it is needed."""
    from bittrigger.system.toolchain import cache_folder

    folder = cache_folder()
    freed = _size(folder)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    terminal().print(f"removed {freed / 1e6:,.1f} MB from {folder}", markup=False, soft_wrap=True)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; no link is followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_dir())

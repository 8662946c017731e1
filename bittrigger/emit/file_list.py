"""File lists: what a simulator or a lint tool reads of a design, for its option ``-F`` (paths from the list's own folder)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bittrigger.emit.render import write_changed
from bittrigger.ir.origin import Origin


def write_file_list(path: Path, title: str, origin: Origin, sources: Sequence[str], libraries: Sequence[str]) -> Path:
    """Write the list ``path``.

    Modules of the firmware library are not named but looked up, each in the first folder that has it, so that the lists of
    several designs go into one project, and the library is there once.

    Args:
        title: what the list is of.
        sources: files, as seen from the list.
        libraries: folders of the firmware library, as seen from the list.
    """
    head = [f"// {title}; read it with -F.", f"// {origin.mark}"]
    lookup = [f"-y {folder}" for folder in libraries]
    write_changed(path, "\n".join([*head, *sources, *lookup, "+libext+.sv"]) + "\n")
    return path

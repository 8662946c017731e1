"""Weight files on disk; see ``bittrigger.ir.held.weight_file``."""

from __future__ import annotations

from pathlib import Path

from bittrigger.errors import ConfigError
from bittrigger.ir.graph import Graph
from bittrigger.ir.held.control_map import accesses_text
from bittrigger.ir.held.weight_file import FIRST, parse_weights, weights_text
from bittrigger.system.files import replace_text

FILE = "weights.txt"
"""What the weight file of a build is called."""

MAX_BYTES = 1 << 26
"""Largest file that is read."""


def write_weights(path: Path, graph: Graph) -> None:
    """Write the weight file of ``graph`` to ``path``.

    Raises:
        ConfigError: if it cannot be written.
    """
    _write(path, weights_text(graph))


def write_accesses(path: Path, graph: Graph, bus: str, *, base: int, label: int) -> None:
    """Write what a control computer plays on ``bus`` to load the numbers of ``graph`` to ``path``.

    Raises:
        ConfigError: if it cannot be written.
    """
    _write(path, accesses_text(graph, bus, base=base, label=label))


def _write(path: Path, text: str) -> None:
    try:
        replace_text(path, text)
    except OSError as error:
        raise ConfigError(f"weights cannot be written to {path}: {error.strerror}") from error


def is_weight_file(path: Path) -> bool:
    """Whether ``path`` begins as a weight file does, of whatever network."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(FIRST) + 1) == f"{FIRST}\n".encode()
    except OSError:
        return False


def read_weights(path: Path, graph: Graph) -> Graph:
    """``graph`` with what the weight file ``path`` holds.

    Raises:
        ConfigError: if the file cannot be read, is none or one of another network or shape, or a bias does not fit its register.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        text = data.decode("ascii")
    except (OSError, ValueError) as error:
        raise ConfigError(f"weights {path}: not readable ({error})") from error
    return parse_weights(text, graph, str(path))

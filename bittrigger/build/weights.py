"""Weight files on disk; see ``bittrigger.ir.weight_file``."""

from __future__ import annotations

from pathlib import Path

from bittrigger.errors import ConfigError
from bittrigger.ir.graph import Graph
from bittrigger.ir.weight_file import parse_weights, weights_text
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
    try:
        replace_text(path, weights_text(graph))
    except OSError as error:
        raise ConfigError(f"weights cannot be written to {path}: {error.strerror}") from error


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
